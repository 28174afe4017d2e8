// Files in and out: open a document, save it again, save the view as SVG, copy the link.

import { readFile } from "./model/read";
import type { Run } from "./model/run";
import { app } from "./state.svelte";
import { toSvg } from "./parts/svg";

/** Opens a file as the run that is shown; a second one is kept beside it to compare with. */
export async function openFile(file: File, beside = false): Promise<void> {
  app.loading = `Reading ${file.name}`;
  try {
    const run = await readFile(file, (bytes) => {
      app.loading = `Reading ${file.name}: ${(bytes / 1e6).toFixed(1)} MB`;
    });
    if (!run.complete) app.tell("note", `${file.name} has no end line: it may be cut short. What is in it is shown, ${run.steps.length} steps.`);
    app.keep(unique(run.head.name), run);
    if (!beside || !app.run) app.show(run);
  } catch (error) {
    app.fail(`${file.name} cannot be opened`, error);
  }
  app.loading = undefined;
}

function unique(name: string): string {
  for (let n = 1; ; n++) {
    const found = n === 1 ? name : `${name} (${n})`;
    if (!app.kept.some((k) => k.name === found)) return found;
  }
}

function save(name: string, type: string, parts: BlobPart[]): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** The document of a run, as it was read: what opens again in this page. */
export function documentText(run: Run): string {
  return `${[run.head, run.part(), { end: run.end, verdicts: run.verdicts }].map((line) => JSON.stringify(line)).join("\n")}\n`;
}

export function exportDocument(): void {
  if (app.run) save(`${app.run.head.name}.view.json`, "application/json", [documentText(app.run)]);
}

export function exportSvg(): void {
  const element = document.querySelector<HTMLElement>("[data-view]");
  if (element && app.run) save(`${app.run.head.name}-${app.view}-${app.step}.svg`, "image/svg+xml", [toSvg(element)]);
}

export async function copyLink(): Promise<void> {
  const address = location.href.replace(/#.*$/, "") + app.address();
  history.replaceState(null, "", app.address());
  try {
    await navigator.clipboard.writeText(address);
    app.tell("note", "The link is copied: it holds the run, the moment, the selection and the view.");
  } catch {
    app.tell("note", "The link is in the address bar: this browser does not let the page copy it.");
  }
}
