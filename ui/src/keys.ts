// Every key the page knows, with when it acts: what `?` lists is what would happen now.

import { copyLink, exportDocument, exportSvg } from "./files";
import { VIEWS } from "./model/link";
import { player } from "./player.svelte";
import { app } from "./state.svelte";
import { nextTheme } from "./theme";
import { timelineKeys } from "./views/timeline.svelte";

export interface KeyRow {
  keys: string[];
  shown: string;
  what: string;
  when: () => boolean;
  act: () => void;
}

const run = () => app.run !== undefined;
const on = (keys: string, shown: string, what: string, act: () => void, when: () => boolean = run): KeyRow => ({
  keys: keys.split(" "),
  shown,
  what,
  act,
  when,
});
const selected = () => run() && app.selected >= 0;
const timeline = () => run() && app.view === "timeline";

export const KEYS: KeyRow[] = [
  on("Space", "Space", "Play or pause", () => player.toggle()),
  on("ArrowRight .", "→", "One step on", () => app.go(app.step + 1)),
  on("ArrowLeft ,", "←", "One step back", () => app.go(app.step - 1)),
  on("Shift+ArrowRight n", "Shift →  or  n", "Next change of the selected object", () => app.change(1), selected),
  on("Shift+ArrowLeft p", "Shift ←  or  p", "Previous change of the selected object", () => app.change(-1), selected),
  on("Home", "Home", "To the first step", () => app.go(0)),
  on("End", "End", "To the last step", () => app.go(app.run?.last ?? 0)),
  on("]", "]", "Play faster", () => player.faster(1)),
  on("[", "[", "Play slower", () => player.faster(-1)),
  on("c", "c", "To the cause of this step", () => app.toCause()),
  on("e", "e", "To the first effect of this step", () => app.toEffect()),
  on("/", "/", "Find an object", () => (app.dialog = "search")),
  ...VIEWS.map((view, i) =>
    on(
      String(i + 1),
      String(i + 1),
      `View: ${view}`,
      () => (app.view = view),
      () => run() && (view !== "do" || app.live),
    ),
  ),
  on("i", "i", "Show or hide the inspector", () => (app.side = !app.side)),
  on("v", "v", "Drawing or table", () => (app.asTable = !app.asTable)),
  on("+ =", "+", "Timeline: closer", () => timelineKeys.zoom(0.6), timeline),
  on("-", "−", "Timeline: further away", () => timelineKeys.zoom(1 / 0.6), timeline),
  on("0", "0", "Timeline: all of it", () => timelineKeys.all(), timeline),
  on("z", "z", "Timeline: fit the chain of causes", () => timelineKeys.chain(), timeline),
  on("a", "a", "Timeline: axis by time or by steps", () => timelineKeys.axis(), timeline),
  on("Shift+ArrowUp", "Shift ↑", "Timeline: scroll back in time", () => timelineKeys.pan(-0.25), timeline),
  on("Shift+ArrowDown", "Shift ↓", "Timeline: scroll on in time", () => timelineKeys.pan(0.25), timeline),
  on("l", "l", "Copy a link to what is shown", () => void copyLink()),
  on(
    "o",
    "o",
    "Open a file",
    () => (app.dialog = "open"),
    () => true,
  ),
  on("x", "x", "Save the run as a file", exportDocument),
  on("s", "s", "Save this view as SVG", exportSvg),
  on("t", "t", "Theme: system, light, dark", nextTheme, () => true),
  on(
    "?",
    "?",
    "These keys",
    () => (app.dialog = "help"),
    () => true,
  ),
  on("Escape", "Esc", "Close, or select nothing", () => app.select(-1), selected),
];

/** Where keys belong to what has the focus. */
function takesKeys(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.shadowRoot) return true;
  if (target instanceof HTMLInputElement) return target.type !== "range" && target.type !== "checkbox" && target.type !== "radio";
  if (target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return (key === " " || key === "Enter") && target.closest("button, a, summary") !== null;
}

function name(event: KeyboardEvent): string {
  const key = event.key === " " ? "Space" : event.key;
  return event.shiftKey && key.startsWith("Arrow") ? `Shift+${key}` : key;
}

/** What acts now. */
export function acting(): KeyRow[] {
  return KEYS.filter((row) => row.when());
}

export function listen(): void {
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || app.dialog) return;
    if (takesKeys(event.composedPath()[0] ?? event.target, event.key)) return;
    const row = KEYS.find((k) => k.keys.includes(name(event)) && k.when());
    if (!row) return;
    event.preventDefault();
    row.act();
  });
}
