// What pods use of CPU and memory over time, by pod and by the workload they belong to. It is what their containers really used,
// read every few seconds of virtual time, not what a metrics server knows of it.

import type { Json } from "./delta";
import { ownerOf } from "./owners";
import { quantity } from "./quantity";
import { lastAtMost, type Run } from "./run";

export interface Used {
  /** Thousandths of a core. */
  cpu: number;
  /** Bytes. */
  memory: number;
}

/** What a pod used at a moment; `undefined` before its first reading and where nothing is told. */
export function usedAt(run: Run, pod: number, time: number): Used | undefined {
  const usage = run.usage.get(pod);
  const at = usage ? lastAtMost(usage.times, time) : -1;
  return usage && at >= 0 ? { cpu: usage.cpu[at], memory: usage.memory[at] } : undefined;
}

export type Points = [number, number][];

/** One pod's line. */
export function podPoints(run: Run, pod: number, what: keyof Used): Points {
  const usage = run.usage.get(pod);
  return usage ? usage.times.map((time, i) => [time, usage[what][i]]) : [];
}

/** The line of several pods together: at each reading of any of them, the sum of what each used last. */
export function sumPoints(run: Run, pods: number[], what: keyof Used): Points {
  const changes: [number, number][] = [];
  for (const pod of pods) {
    let before = 0;
    for (const [time, value] of podPoints(run, pod, what)) {
      changes.push([time, value - before]);
      before = value;
    }
  }
  changes.sort((a, b) => a[0] - b[0]);
  const points: Points = [];
  let sum = 0;
  for (const [time, change] of changes) {
    sum += change;
    const last = points[points.length - 1];
    if (last && last[0] === time) last[1] = sum;
    else points.push([time, sum]);
  }
  return points;
}

/** The pods that were ever read, by the workload at the top of their owners; a pod nobody owns stands for itself. */
export function workloads(run: Run): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const pod of run.usage.keys()) {
    const id = rootOf(run, pod);
    const pods = found.get(id);
    if (pods) pods.push(pod);
    else found.set(id, [pod]);
  }
  return new Map([...found].sort((a, b) => a[0].localeCompare(b[0])));
}

/** `Kind/namespace/name` of the workload at the top of an object's owners. */
export function rootOf(run: Run, key: number): string {
  let at = key;
  for (let depth = 0; depth < 5; depth++) {
    const state: Json = run.state(at, 0);
    const ref = ownerOf(state);
    const owner = ref && run.byId.get(`${ref.kind}/${run.keys[at].namespace}/${ref.name}`);
    if (owner === undefined) break;
    at = owner;
  }
  return run.keys[at].id;
}

/** The CPU a workload's pods used, as percent of what those that were there had asked for: what an autoscaler tries to measure. */
export function shareOfRequest(run: Run, id: string): Points {
  const pods = workloads(run).get(id) ?? [];
  const asked = (pod: number) => requested(run.state(pod, 0));
  return sumPoints(run, pods, "cpu").flatMap(([time, used]) => {
    const step = run.stepAtTime(time);
    const there = pods.filter((pod) => run.at(pod, step) !== undefined).reduce((sum, pod) => sum + asked(pod), 0);
    return there > 0 ? [[time, Number(((used / there) * 100).toFixed(1))] as [number, number]] : [];
  });
}

function requested(state: Json): number {
  const containers: Json[] = state?.spec?.containers ?? [];
  return containers.reduce((sum, c) => sum + (quantity(c.resources?.requests?.cpu) ?? 0) * 1000, 0);
}
