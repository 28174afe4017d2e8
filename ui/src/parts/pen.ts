// Two pens with the same strokes: one draws on a canvas, one writes SVG. What is drawn with the one can be saved by the other.

import { escapeXml } from "./svg";

export interface Pen {
  line(points: [number, number][], color: string, width?: number, dash?: number[]): void;
  shape(points: [number, number][], fill: string, stroke?: string): void;
  circle(x: number, y: number, r: number, fill: string, stroke?: string): void;
  curve(from: [number, number], a: [number, number], b: [number, number], to: [number, number], color: string, width?: number, dash?: number[]): void;
  text(x: number, y: number, text: string, color: string, anchor?: "left" | "center" | "right", bold?: boolean): void;
}

const SIZE = 11;

export class CanvasPen implements Pen {
  constructor(
    private to: CanvasRenderingContext2D,
    private font: string,
  ) {}

  private path(points: [number, number][]): void {
    this.to.beginPath();
    points.forEach(([x, y], i) => (i ? this.to.lineTo(x, y) : this.to.moveTo(x, y)));
  }

  private stroke(color: string, width = 1, dash: number[] = []): void {
    Object.assign(this.to, { strokeStyle: color, lineWidth: width });
    this.to.setLineDash(dash);
    this.to.stroke();
  }

  line(points: [number, number][], color: string, width?: number, dash?: number[]): void {
    this.path(points);
    this.stroke(color, width, dash);
  }

  shape(points: [number, number][], fill: string, stroke?: string): void {
    this.path(points);
    this.to.closePath();
    this.to.fillStyle = fill;
    this.to.fill();
    if (stroke) this.stroke(stroke);
  }

  circle(x: number, y: number, r: number, fill: string, stroke?: string): void {
    this.to.beginPath();
    this.to.arc(x, y, r, 0, Math.PI * 2);
    this.to.fillStyle = fill;
    this.to.fill();
    if (stroke) this.stroke(stroke, 1.5);
  }

  curve(from: [number, number], a: [number, number], b: [number, number], to: [number, number], color: string, width?: number, dash?: number[]): void {
    this.to.beginPath();
    this.to.moveTo(...from);
    this.to.bezierCurveTo(...a, ...b, ...to);
    this.stroke(color, width, dash);
  }

  text(x: number, y: number, text: string, color: string, anchor: CanvasTextAlign = "left", bold = false): void {
    Object.assign(this.to, { font: `${bold ? "600 " : ""}${SIZE}px ${this.font}`, fillStyle: color, textAlign: anchor });
    this.to.fillText(text, x, y);
  }
}

export class SvgPen implements Pen {
  parts: string[] = [];
  constructor(private font: string) {}

  private style(color: string, width = 1, dash: number[] = []): string {
    return `fill="none" stroke="${color}" stroke-width="${width}"${dash.length ? ` stroke-dasharray="${dash.join(" ")}"` : ""}`;
  }

  private points(points: [number, number][]): string {
    return points.map(([x, y]) => `${n(x)},${n(y)}`).join(" ");
  }

  line(points: [number, number][], color: string, width?: number, dash?: number[]): void {
    this.parts.push(`<polyline points="${this.points(points)}" ${this.style(color, width, dash)}/>`);
  }

  shape(points: [number, number][], fill: string, stroke = "none"): void {
    this.parts.push(`<polygon points="${this.points(points)}" fill="${fill}" stroke="${stroke}"/>`);
  }

  circle(x: number, y: number, r: number, fill: string, stroke = "none"): void {
    this.parts.push(`<circle cx="${n(x)}" cy="${n(y)}" r="${r}" fill="${fill}" stroke="${stroke}"/>`);
  }

  curve(from: [number, number], a: [number, number], b: [number, number], to: [number, number], color: string, width?: number, dash?: number[]): void {
    this.parts.push(`<path d="M${from.map(n)}C${[a, b, to].map((p) => p.map(n).join(" ")).join(" ")}" ${this.style(color, width, dash)}/>`);
  }

  text(x: number, y: number, text: string, color: string, anchor = "left", bold = false): void {
    const at = anchor === "center" ? "middle" : anchor === "right" ? "end" : "start";
    this.parts.push(
      `<text x="${n(x)}" y="${n(y)}" fill="${color}" font-size="${SIZE}" font-family="${escapeXml(this.font)}" font-weight="${bold ? 600 : 400}" text-anchor="${at}">${escapeXml(text)}</text>`,
    );
  }
}

function n(value: number): number {
  return Math.round(value * 10) / 10;
}
