// Conditions over time: for each type, the spans in which it had a status and a reason.

import type { Json } from "./delta";
import type { Run } from "./run";

export interface Span {
  from: number;
  /** Microseconds; the end of the run for the last one. */
  to: number;
  step: number;
  status: string;
  reason: string;
  message: string;
}

export function conditionSpans(run: Run, key: number): Map<string, Span[]> {
  const spans = new Map<string, Span[]>();
  run.versions[key].forEach((step, version) => {
    const state = run.state(key, version);
    const time = run.time[step];
    const now: Json[] = state?.status?.conditions ?? [];
    for (const condition of Array.isArray(now) ? now : []) {
      const list = spans.get(condition.type) ?? [];
      const last = list[list.length - 1];
      if (last && last.status === condition.status && last.reason === (condition.reason ?? "")) continue;
      if (last) last.to = time;
      list.push({ from: time, to: run.end, step, status: condition.status, reason: condition.reason ?? "", message: condition.message ?? "" });
      spans.set(condition.type, list);
    }
    if (state === undefined) for (const list of spans.values()) list[list.length - 1].to = time;
  });
  return spans;
}

/** The Events about an object that are there at a step, latest first. */
export function eventsAbout(run: Run, key: number, step: number): { key: number; state: Json; last: number }[] {
  const found: { key: number; state: Json; last: number }[] = [];
  for (const event of run.eventsOf.get(run.keys[key].id) ?? []) {
    const version = run.versionAt(event, step);
    const state = run.state(event, version);
    if (state) found.push({ key: event, state, last: run.versions[event][version] });
  }
  return found.sort((a, b) => b.last - a.last);
}
