// Requests in bins of time: by pod, by outcome, with their latency; and beside them replicas and measured CPU.

import { history } from "./hpa";
import type { Run } from "./run";

export interface Bin {
  time: number;
  ok: number;
  failed: number;
  byPod: Map<string, number>;
  latencies: number[];
}

export interface Traffic {
  width: number;
  bins: Bin[];
  pods: { name: string; total: number; failed: number }[];
  reasons: { reason: string; count: number; first: number }[];
  total: number;
  failed: number;
}

const WIDTHS = [0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].map((s) => s * 1e6);

/** From just before the first request to the end of what pods used, so that what requests led to is seen beside them. */
function range(run: Run, steps: number[]): [number, number] {
  const [first, last] = [run.time[steps[0]], run.time[steps[steps.length - 1]]];
  return run.usage.size ? [Math.max(0, first - 10e6), Math.max(run.end, last)] : [first, Math.max(last, first + 1e6)];
}

/** Bins over the time in which there were requests and what they led to, at most about `most`. `until` leaves out later steps. */
export function traffic(run: Run, until: number, most = 120): Traffic | undefined {
  const steps = run.ofType.h ?? [];
  if (steps.length === 0) return undefined;
  const [from, to] = range(run, steps);
  const width = WIDTHS.find((w) => (to - from) / w <= most) ?? (to - from) / most;
  const start = Math.floor(from / width) * width;
  const bins: Bin[] = [];
  for (let time = start; time <= to; time += width) bins.push({ time, ok: 0, failed: 0, byPod: new Map(), latencies: [] });
  const [pods, reasons] = [
    new Map<string, { name: string; total: number; failed: number }>(),
    new Map<string, { reason: string; count: number; first: number }>(),
  ];
  let [total, failures] = [0, 0];
  for (const step of steps) {
    if (step > until) break;
    const [, , , , , to, , status, micros, error] = run.steps[step];
    const bin = bins[Math.min(bins.length - 1, Math.floor((run.time[step] - start) / width))];
    const failed = !!error || status >= 500 || status === 0;
    total += 1;
    if (failed) failures += 1;
    bin[failed ? "failed" : "ok"] += 1;
    bin.latencies.push(micros);
    const name = to || "(no pod)";
    bin.byPod.set(name, (bin.byPod.get(name) ?? 0) + 1);
    const row = pods.get(name) ?? { name, total: 0, failed: 0 };
    row.total += 1;
    if (failed) row.failed += 1;
    pods.set(name, row);
    if (failed) {
      const reason = error || `status ${status}`;
      const known = reasons.get(reason) ?? { reason, count: 0, first: step };
      known.count += 1;
      reasons.set(reason, known);
    }
  }
  return {
    width,
    bins,
    total,
    failed: failures,
    pods: [...pods.values()].sort((a, b) => b.total - a.total || a.name.localeCompare(b.name)),
    reasons: [...reasons.values()].sort((a, b) => b.count - a.count),
  };
}

/** The value below which a share of values lies; `undefined` for none. */
export function quantile(values: number[], q: number): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))];
}

/** Ready pods of all workloads over time, from the versions of Deployments and StatefulSets. */
export function replicaSeries(run: Run): { name: string; points: [number, number][] }[] {
  const series: { name: string; points: [number, number][] }[] = [];
  for (const kind of ["Deployment", "StatefulSet"]) {
    for (const key of run.byKind.get(kind) ?? []) {
      const points: [number, number][] = [];
      run.versions[key].forEach((step, v) => {
        const ready = run.state(key, v)?.status?.readyReplicas ?? 0;
        if (points.length === 0 || points[points.length - 1][1] !== ready) points.push([run.time[step], ready]);
      });
      series.push({ name: `${run.keys[key].name} ready`, points });
    }
  }
  return series;
}

/** What autoscalers measured over time. */
export function cpuSeries(run: Run): { name: string; points: [number, number][] }[] {
  return (run.byKind.get("HorizontalPodAutoscaler") ?? []).map((key) => ({
    name: `${run.keys[key].name} CPU of request`,
    points: history(run, key)
      .filter((p) => p.measured !== undefined)
      .map((p) => [p.time, p.measured as number]),
  }));
}
