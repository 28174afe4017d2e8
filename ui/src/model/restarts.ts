// Restarts of a pod's containers: each exit, its cause, and the timer of the back-off that runs at a moment.

import { because, chain, type Link } from "./causes";
import type { Json } from "./delta";
import { since } from "./format";
import type { Run } from "./run";

export interface Exit {
  step: number;
  time: number;
  text: string;
  cause: Link | undefined;
  /** The first cause of all: an action, or the last thing known. */
  root: number;
  /** When its container ran again. */
  again: number | undefined;
}

export function exits(run: Run, key: number, step: number): Exit[] {
  const about = run.about[key].filter((s) => s <= step && run.typeOf(s) === "n");
  const found = about.filter((s) => / exited with /.test(run.steps[s][5]));
  return found.map((s, i) => {
    const until = found[i + 1] ?? step + 1;
    const again = about.find((other) => other > s && other < until && /^Started:/.test(run.steps[other][5]));
    const links = chain(run, s);
    return { step: s, time: run.time[s], text: run.steps[s][5], cause: because(run, s), root: links[links.length - 1].step, again };
  });
}

export interface BackOff {
  container: string;
  /** Microseconds. */
  length: number;
  from: number;
  until: number;
  restarts: number;
  message: string;
}

/** The back-off timers that run at a step. Doubles from 10 s to 5 min, and is forgotten after 10 min without an exit. */
export function backOffs(run: Run, key: number, step: number): BackOff[] {
  const state: Json = run.at(key, step);
  const exit = exits(run, key, step).pop();
  const found: BackOff[] = [];
  for (const status of state?.status?.containerStatuses ?? []) {
    const waiting = status.state?.waiting;
    const length = /back-off (?:(\d+)m)?(?:(\d+)s)?/.exec(waiting?.message ?? "");
    if (!length || !/BackOff/.test(waiting?.reason ?? "")) continue;
    const micros = (Number(length[1] ?? 0) * 60 + Number(length[2] ?? 0)) * 1e6;
    // The status tells whole seconds; the exit itself is known better.
    const told = since(run.head.epoch, status.lastState?.terminated?.finishedAt) ?? 0;
    const from = exit && Math.abs(exit.time - told) < 2e6 ? exit.time : told;
    found.push({ container: status.name, length: micros, from, until: from + micros, restarts: status.restartCount ?? 0, message: waiting.message });
  }
  return found;
}
