// Two runs beside each other: the first step that differs, and what is different at a moment of both.

import type { Json } from "./delta";
import { changeWords, same, told } from "./diff";
import type { Run } from "./run";
import { words } from "./causes";

export interface First {
  /** The first step that is not the same; both have it unless one ends there. */
  step: number;
  /** In words, what is different about it. */
  text: string;
}

/** A step with names in the place of positions, so that runs with other tables compare. */
function plain(run: Run, step: number): Json[] {
  const line = run.steps[step];
  const [time, , cause, type, ...rest] = line;
  const key = run.keyOfStep[step];
  const named = type === "c" || type === "r" || type === "n" || type === "t" ? [key < 0 ? "" : run.keys[key].id, ...rest.slice(1)] : rest;
  return [time, run.componentOf(step), cause, type, ...named];
}

/** Where two runs part; `undefined` when they are the same. */
export function firstDifference(a: Run, b: Run): First | undefined {
  const both = Math.min(a.steps.length, b.steps.length);
  for (let step = 0; step < both; step++) {
    const [left, right] = [plain(a, step), plain(b, step)];
    if (!same(left, right)) return { step, text: reason(a, b, step, left, right) };
  }
  if (a.steps.length === b.steps.length) return undefined;
  const longer = a.steps.length > b.steps.length ? "The left" : "The right";
  return { step: both, text: `${longer} one goes on: the other ends after ${both} steps.` };
}

function reason(a: Run, b: Run, step: number, left: Json[], right: Json[]): string {
  if (left[1] !== right[1] || left[3] !== right[3]) return `Something else happens. Left: ${words(a, step)} · right: ${words(b, step)}`;
  const [one, other] = [a.keyOfStep[step], b.keyOfStep[step]];
  if (one >= 0 && other >= 0 && left[3] === "c" && a.keys[one].id === b.keys[other].id) {
    const [before, after] = [a.at(one, step), b.at(other, step)];
    const changes = told(before, after);
    if (changes.length)
      return `${a.keys[one].kind} ${a.keys[one].name}: ${changes
        .slice(0, 4)
        .map((c) => changeWords(c, before, after))
        .join("; ")}`;
  }
  if (left[0] !== right[0] && same(left.slice(1), right.slice(1)))
    return `The same happens, ${Math.abs(left[0] - right[0]) / 1000} ms ${left[0] < right[0] ? "later" : "earlier"} on the right.`;
  return `${words(a, step)} · ${words(b, step)}`;
}

export interface ObjectDifference {
  id: string;
  kind: string;
  name: string;
  left: number;
  right: number;
  /** "only on the left", or the fields that differ. */
  text: string;
}

const LEFT_OUT = new Set(["Event", "Lease"]);
const STAMPS =
  /\/(resourceVersion|uid|creationTimestamp|lastTransitionTime|lastUpdateTime|startedAt|startTime|finishedAt|generation|observedGeneration|containerID)$/;

/** What differs between the states at two moments; stamps, Events and Leases are left out. */
export function objectDifferences(a: Run, stepA: number, b: Run, stepB: number): ObjectDifference[] {
  const found: ObjectDifference[] = [];
  const ids = new Set([...a.keys, ...b.keys].filter((key) => !LEFT_OUT.has(key.kind)).map((key) => key.id));
  for (const id of ids) {
    const [left, right] = [a.byId.get(id) ?? -1, b.byId.get(id) ?? -1];
    const [one, other] = [left < 0 ? undefined : a.at(left, stepA), right < 0 ? undefined : b.at(right, stepB)];
    if (one === undefined && other === undefined) continue;
    const key = left >= 0 ? a.keys[left] : b.keys[right];
    const row = { id, kind: key.kind, name: key.name, left, right };
    if (one === undefined || other === undefined) found.push({ ...row, text: one === undefined ? "only on the right" : "only on the left" });
    else {
      const changes = told(one, other).filter((change) => !STAMPS.test(change.path));
      if (changes.length)
        found.push({
          ...row,
          text:
            changes
              .slice(0, 3)
              .map((c) => changeWords(c, one, other))
              .join("; ") + (changes.length > 3 ? `; ${changes.length - 3} more` : ""),
        });
    }
  }
  return found;
}
