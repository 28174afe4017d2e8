// What a person follows a workload by: a pod is made, becomes ready, is told to go, is gone. Names of pods are drawn by chance and
// times shift, so two runs are compared by these, told by the pod's owner: where they first come to something else.

import type { Json } from "./delta";
import { ownerOf, WORKLOADS } from "./owners";
import { condition } from "./pods";
import { Change, type Run } from "./run";

export interface Milestone {
  step: number;
  /** "a new pod of ReplicaSet web-1 is ready": the same for any pod of the owner. */
  text: string;
  pod: number;
}

/** The milestones of all pods from a step on. */
export function milestones(run: Run, from: number): Milestone[] {
  const found: Milestone[] = [];
  for (const pod of run.byKind.get("Pod") ?? []) {
    const versions = run.versions[pod];
    for (let at = 0; at < versions.length; at++) {
      if (versions[at] < from) continue;
      const text = told(run, pod, at);
      if (text) found.push({ step: versions[at], text, pod });
    }
  }
  return found.sort((a, b) => a.step - b.step);
}

function told(run: Run, pod: number, version: number): string | undefined {
  const [before, after] = [run.state(pod, version - 1), run.state(pod, version)];
  const who = owner(run, pod, after ?? before);
  if (run.steps[run.versions[pod][version]][6] === Change.Removed) return `a pod of ${who} is gone`;
  if (before === undefined) return `a pod of ${who} is made`;
  const going = (state: Json) => !!state?.metadata?.deletionTimestamp;
  if (going(after) && !going(before)) return `a pod of ${who} is told to go`;
  const ready = (state: Json) => condition(state, "Ready")?.status === "True";
  if (ready(after) !== ready(before)) return `a pod of ${who} is ${ready(after) ? "ready" : "no longer ready"}`;
  return undefined;
}

function owner(run: Run, pod: number, state: Json): string {
  const ref = ownerOf(state);
  return ref ? `${ref.kind} ${ref.name}` : `nobody (${run.keys[pod].name})`;
}

export interface Parting {
  /** What comes next in each; `undefined` where a run ends first. */
  left: Milestone | undefined;
  right: Milestone | undefined;
}

/** The first milestone in which two runs differ from a step on that both have; `undefined` when one goes on where the other ends. */
export function partingOf(a: Run, b: Run, from: number): Parting | undefined {
  const [left, right] = [milestones(a, from), milestones(b, from)];
  const at = left.findIndex((one, i) => one.text !== right[i]?.text);
  if (at < 0 || at >= right.length) return undefined;
  return { left: left[at], right: right[at] };
}

export interface Numbers {
  /** Wanted at the end, available pods at the moment asked for, the fewest of them and the most pods since the two parted. */
  wanted: number;
  available: number;
  fewest: number;
  most: number;
}

export interface Row {
  id: string;
  kind: string;
  name: string;
  left: Numbers | undefined;
  right: Numbers | undefined;
}

const COUNTED = WORKLOADS.filter((kind) => !/Job|DaemonSet/.test(kind));

/** The numbers of the workloads that nobody owns, in both runs, since a step that both have, up to a moment of each. */
export function numbers(a: Run, stepA: number, b: Run, stepB: number, from: number): Row[] {
  const ids = new Set([...a.keys, ...b.keys].filter((key) => COUNTED.includes(key.kind)).map((key) => key.id));
  const rows: Row[] = [];
  for (const id of ids) {
    const [left, right] = [numbersOf(a, id, from, stepA), numbersOf(b, id, from, stepB)];
    const [kind, , name] = id.split("/");
    if (left || right) rows.push({ id, kind, name, left, right });
  }
  return rows;
}

function numbersOf(run: Run, id: string, from: number, to: number): Numbers | undefined {
  const key = run.byId.get(id);
  const last = key === undefined ? undefined : run.at(key, to);
  if (key === undefined || last === undefined || ownerOf(last)) return undefined;
  const available = (state: Json): number => state?.status?.availableReplicas ?? 0;
  const found: Numbers = { wanted: last.spec?.replicas ?? 1, available: available(last), fewest: available(last), most: last.status?.replicas ?? 0 };
  for (let version = Math.max(0, run.versionAt(key, from)); version <= run.versionAt(key, to); version++) {
    const state = run.state(key, version);
    if (state === undefined) continue;
    found.fewest = Math.min(found.fewest, available(state));
    found.most = Math.max(found.most, state.status?.replicas ?? 0);
  }
  return found;
}
