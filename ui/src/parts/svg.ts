// The view that is shown as an SVG: boxes and text where the browser put them, drawings as they are. A canvas is drawn again by
// whoever registered it, so it stays sharp.

const NS = "http://www.w3.org/2000/svg";
const drawers = new WeakMap<HTMLCanvasElement, () => string>();

/** Says how a canvas is drawn as the inside of an SVG. */
export function drawnBy(canvas: HTMLCanvasElement, draw: () => string): void {
  drawers.set(canvas, draw);
}

export function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

export function toSvg(root: HTMLElement): string {
  const frame = root.getBoundingClientRect();
  const out: string[] = [];
  const background = getComputedStyle(document.body).backgroundColor;
  walk(root, frame, out);
  const [w, h] = [Math.ceil(frame.width), Math.ceil(frame.height)];
  return `<svg xmlns="${NS}" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}"><rect width="${w}" height="${h}" fill="${background}"/>${out.join("\n")}</svg>\n`;
}

function walk(node: Element, frame: DOMRect, out: string[]): void {
  const style = getComputedStyle(node);
  if (style.display === "none" || style.visibility === "hidden" || node.classList.contains("sr")) return;
  const box = node.getBoundingClientRect();
  if (box.bottom < frame.top || box.top > frame.bottom) return;
  const [x, y] = [round(box.left - frame.left), round(box.top - frame.top)];
  if (node instanceof SVGSVGElement) {
    out.push(`<g transform="translate(${x} ${y})">${inline(node)}</g>`);
    return;
  }
  if (node instanceof HTMLCanvasElement) {
    const draw = drawers.get(node);
    if (draw) out.push(`<g transform="translate(${x} ${y})">${draw()}</g>`);
    return;
  }
  boxOf(style, box, x, y, out);
  for (const child of node.childNodes) {
    if (child instanceof Element) walk(child, frame, out);
    else if (child instanceof Text) text(child, style, frame, out);
  }
}

function boxOf(style: CSSStyleDeclaration, box: DOMRect, x: number, y: number, out: string[]): void {
  const [fill, sides] = [style.backgroundColor, ["Top", "Right", "Bottom", "Left"] as const];
  const border = (side: (typeof sides)[number]) => (style[`border${side}Style`] === "none" ? 0 : Number.parseFloat(style[`border${side}Width`]));
  const seen = fill !== "rgba(0, 0, 0, 0)" && fill !== "transparent";
  const [w, h] = [round(box.width), round(box.height)];
  const all = sides.every((side) => border(side) > 0);
  if (seen || all) {
    const stroke = all ? ` stroke="${style.borderTopColor}" stroke-width="${border("Top")}"` : "";
    out.push(
      `<rect x="${x}" y="${y}" width="${w}" height="${h}" rx="${Number.parseFloat(style.borderTopLeftRadius) || 0}" fill="${seen ? fill : "none"}"${stroke}/>`,
    );
  }
  if (!all && border("Bottom") > 0) out.push(`<line x1="${x}" x2="${x + w}" y1="${y + h}" y2="${y + h}" stroke="${style.borderBottomColor}"/>`);
}

function text(node: Text, style: CSSStyleDeclaration, frame: DOMRect, out: string[]): void {
  const value = node.data.replace(/\s+/g, " ");
  if (value.trim() === "") return;
  const range = document.createRange();
  range.selectNodeContents(node);
  const boxes = [...range.getClientRects()];
  const size = Number.parseFloat(style.fontSize);
  const one = (said: string, box: DOMRect) =>
    out.push(
      `<text x="${round(box.left - frame.left)}" y="${round(box.top - frame.top + box.height / 2 + size * 0.35)}" font-family="${escapeXml(style.fontFamily)}" font-size="${size}" font-weight="${style.fontWeight}" fill="${style.color}" xml:space="preserve">${escapeXml(said)}</text>`,
    );
  if (boxes.length === 1) one(value.trim(), boxes[0]);
  else if (boxes.length > 1) broken(node, range, one);
}

/** Text over several lines: word by word, put together by the line each is on. */
function broken(node: Text, range: Range, one: (said: string, box: DOMRect) => void): void {
  let [line, box]: [string, DOMRect | undefined] = ["", undefined];
  for (const match of node.data.matchAll(/\S+\s*/g)) {
    range.setStart(node, match.index);
    range.setEnd(node, match.index + match[0].trimEnd().length);
    const at = range.getBoundingClientRect();
    if (box && Math.abs(at.top - box.top) < 3) line += ` ${match[0].trimEnd()}`;
    else {
      if (box) one(line, box);
      [line, box] = [match[0].trimEnd(), at];
    }
  }
  if (box) one(line, box);
}

const PAINT = ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-family", "font-size", "font-weight", "text-anchor", "opacity"];

/** A drawing with what the page's style says written into it. */
function inline(svg: SVGSVGElement): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const [from, to] = [svg.querySelectorAll("*"), copy.querySelectorAll("*")];
  from.forEach((node, i) => {
    const style = getComputedStyle(node);
    for (const name of PAINT) to[i].setAttribute(name, style.getPropertyValue(name));
    to[i].removeAttribute("class");
  });
  return copy.innerHTML.replaceAll("<!---->", "").replace(/<!--[\s\S]*?-->/g, "");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
