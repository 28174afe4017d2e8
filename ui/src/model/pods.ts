// What a pod is doing, in one word and a sign: the word is what `kubectl get pods` prints under STATUS.

import type { Json } from "./delta";

/** ok runs and is ready · wait is on its way · bad needs a look · end is on its way out · done has ended well. */
export type Mood = "ok" | "wait" | "bad" | "end" | "done";

export interface PodSummary {
  status: string;
  mood: Mood;
  ready: number;
  containers: number;
  restarts: number;
  node: string;
}

/** A sign beside the colour, so that nothing is said by colour alone. */
export const SIGN: Record<Mood, string> = { ok: "●", wait: "◐", bad: "▲", end: "◌", done: "✓" };
export const MOOD_WORDS: Record<Mood, string> = { ok: "ready", wait: "on its way", bad: "in trouble", end: "going away", done: "done" };

const summaries = new WeakMap<object, PodSummary>();

export function pod(state: Json): PodSummary {
  let known = summaries.get(state);
  if (!known) summaries.set(state, (known = summarise(state)));
  return known;
}

function summarise(state: Json): PodSummary {
  const statuses: Json[] = state.status?.containerStatuses ?? [];
  const containers = state.spec?.containers?.length ?? 0;
  const ready = statuses.filter((c) => c.ready).length;
  const restarts = statuses.reduce((sum, c) => sum + (c.restartCount ?? 0), 0);
  const status = word(state, statuses);
  return { status, mood: mood(state, status, ready, containers), ready, containers, restarts, node: state.spec?.nodeName ?? "" };
}

function word(state: Json, statuses: Json[]): string {
  let status: string = state.status?.reason || state.status?.phase || "Pending";
  const init: Json[] = state.status?.initContainerStatuses ?? [];
  const at = init.findIndex((c) => !(c.state?.terminated?.exitCode === 0) && !(c.started && c.state?.running));
  if (at >= 0) {
    const reason = init[at].state?.terminated?.reason ?? init[at].state?.waiting?.reason;
    status = reason && reason !== "PodInitializing" ? `Init:${reason}` : `Init:${at}/${init.length}`;
  } else {
    for (const c of [...statuses].reverse()) {
      if (c.state?.waiting?.reason) status = c.state.waiting.reason;
      else if (c.state?.terminated) status = c.state.terminated.reason || `ExitCode:${c.state.terminated.exitCode}`;
    }
    if (status === "Completed" && statuses.some((c) => c.state?.running)) status = "Running";
  }
  if (state.metadata?.deletionTimestamp) return state.status?.reason === "NodeLost" ? "Unknown" : "Terminating";
  return status;
}

function mood(state: Json, status: string, ready: number, containers: number): Mood {
  if (status === "Terminating") return "end";
  if (state.status?.phase === "Succeeded" || status === "Completed") return "done";
  if (/Error|BackOff|Err|Fail|OOM|Unknown|Evicted|Invalid|Cannot|ExitCode/.test(status)) return "bad";
  if (state.status?.phase === "Running" && ready === containers) return "ok";
  const scheduled = (state.status?.conditions ?? []).find((c: Json) => c.type === "PodScheduled");
  if (scheduled?.status === "False") return "bad";
  return "wait";
}

export function condition(state: Json, type: string): Json | undefined {
  return (state?.status?.conditions ?? []).find((c: Json) => c.type === type);
}
