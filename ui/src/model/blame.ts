// Who last wrote each field of an object: from its history, as the document has it. A write that sets a field to what it
// already was takes no blame.

import { diff } from "./diff";
import { Change, type Run } from "./run";

export interface Blame {
  /** Pointer of a field, or of something that holds it → the step that wrote it last. */
  steps: Map<string, number>;
}

const known = new WeakMap<Run, Map<number, { version: number; steps: Map<string, number> }>>();

/** The blame of an object in one of its versions. Going forward is cheap, going back starts over. */
export function blame(run: Run, key: number, version: number): Blame {
  let ofRun = known.get(run);
  if (!ofRun) known.set(run, (ofRun = new Map()));
  let entry = ofRun.get(key);
  if (!entry || entry.version > version) ofRun.set(key, (entry = { version: -1, steps: new Map() }));
  for (let v = entry.version + 1; v <= version; v++) {
    const step = run.versions[key][v];
    if (run.steps[step][6] !== Change.Changed || v === 0) {
      entry.steps.clear();
      entry.steps.set("", step);
    } else for (const change of diff(run.state(key, v - 1), run.state(key, v), 10_000)) entry.steps.set(change.path, step);
  }
  entry.version = Math.max(entry.version, version);
  return { steps: entry.steps };
}

/** The step that wrote a field last: its own entry or that of what holds it, whichever is later. */
export function writer({ steps }: Blame, path: string): number {
  let latest = -1;
  for (let at = path; ; at = at.slice(0, at.lastIndexOf("/"))) {
    latest = Math.max(latest, steps.get(at) ?? -1);
    if (at === "") return latest;
  }
}

/** Who a change was written by, in the words of managed fields. */
export function manager(run: Run, step: number): string {
  if (step < 0) return "";
  const named = run.typeOf(step) === "c" ? run.steps[step][8] : "";
  const cause = run.causeOf(step);
  const controller = cause > 0 && run.typeOf(cause) === "r" ? run.componentOf(cause) : "";
  return controller || named || run.componentOf(step);
}
