// The autoscaler's formula with its numbers: desired = ceil(current × measured ÷ target), the tolerance of a tenth, then the
// limits. What was measured is read from the status the same look wrote; the decision is the controller's own words.

import type { Json } from "./delta";
import { quantity } from "./quantity";
import type { Run } from "./run";

export interface Decision {
  step: number;
  current: number;
  /** What was measured and what is aimed at, in the same unit. */
  metrics: { name: string; measured: number | undefined; target: number; unit: string; ratio: number | undefined; wants: number | undefined }[];
  wants: number | undefined;
  result: number | undefined;
  text: string;
  reasons: string[];
  limits: { rule: string; value: number; bites: boolean }[];
  message: string;
}

const SAYS = /^(\d+) replicas would bring .*; (\d+) now, (\d+) after limits$/;

/** The steps at which the autoscaler came to a decision. */
export function decisions(run: Run, key: number): number[] {
  return run.about[key].filter((step) => run.typeOf(step) === "r" && (run.steps[step][5] ?? "") !== "");
}

/** The last decision at a step. */
export function decision(run: Run, key: number, step: number): Decision | undefined {
  const at = decisions(run, key)
    .filter((s) => s <= step)
    .pop();
  if (at === undefined) return undefined;
  const spec = run.at(key, at)?.spec ?? {};
  const written = run.effects(at).find((s) => run.keyOfStep[s] === key && run.typeOf(s) === "c");
  const status = (written === undefined ? run.at(key, at) : run.at(key, written))?.status ?? {};
  const said = SAYS.exec(run.steps[at][5]);
  const current = said ? Number(said[2]) : (run.at(key, at)?.status?.currentReplicas ?? 0);
  const metrics = (spec.metrics ?? []).map((metric: Json, i: number) => measure(metric, status.currentMetrics?.[i], current));
  const [wants, result] = said ? [Number(said[1]), Number(said[3])] : [undefined, undefined];
  const why =
    (status.conditions ?? []).find((c: Json) => c.type === "ScalingLimited" && c.status === "True") ??
    (status.conditions ?? []).find((c: Json) => c.type === "AbleToScale");
  return {
    step: at,
    current,
    metrics,
    wants,
    result,
    text: run.steps[at][5],
    reasons: run.steps[at][6] ?? [],
    limits: wants === undefined ? [] : limits(spec, current, wants, result ?? wants),
    message: why?.message ?? "",
  };
}

function measure(metric: Json, found: Json, current: number) {
  const kind = (metric.type ?? "Resource").charAt(0).toLowerCase() + (metric.type ?? "Resource").slice(1);
  const [source, seen] = [metric[kind] ?? {}, found?.[kind]?.current ?? {}];
  const byShare = source.target?.averageUtilization !== undefined;
  const target = byShare ? source.target.averageUtilization : (quantity(source.target?.averageValue ?? source.target?.value) ?? 0);
  const measured = byShare ? seen.averageUtilization : quantity(seen.averageValue ?? seen.value);
  const ratio = measured === undefined || !target ? undefined : measured / target;
  const wants = ratio === undefined ? undefined : Math.abs(ratio - 1) <= 0.1 ? current : Math.ceil(current * ratio);
  return { name: source.name ?? source.metric?.name ?? metric.type, measured, target, unit: byShare ? "%" : "", ratio, wants };
}

function limits(spec: Json, current: number, wants: number, result: number): Decision["limits"] {
  const rules: Decision["limits"] = [];
  const say = (rule: string, value: number) => rules.push({ rule, value, bites: result === value && wants !== value });
  if (wants > current && !spec.behavior?.scaleUp) say("at most doubled at a time, though 4 are always allowed: max(2 × current, 4)", Math.max(2 * current, 4));
  for (const policy of (wants > current ? spec.behavior?.scaleUp?.policies : spec.behavior?.scaleDown?.policies) ?? []) {
    const step = policy.type === "Percent" ? Math.ceil((current * policy.value) / 100) : policy.value;
    const value = wants > current ? current + step : Math.max(0, current - step);
    say(`policy: ${policy.value} ${policy.type === "Percent" ? "percent" : "pods"} in ${policy.periodSeconds} s`, value);
  }
  if (wants < current) {
    const window = spec.behavior?.scaleDown?.stabilizationWindowSeconds ?? 300;
    rules.push({ rule: `the highest recommendation of the last ${window} s counts before anything is taken away`, value: result, bites: result !== wants });
  }
  say("maxReplicas", spec.maxReplicas ?? 0);
  say("minReplicas", spec.minReplicas ?? 1);
  return rules;
}

export interface Point {
  time: number;
  step: number;
  measured: number | undefined;
  replicas: number;
  desired: number;
}

/** What was measured and how many replicas there were over time, from the versions of its status. */
export function history(run: Run, key: number): Point[] {
  const points: Point[] = [];
  run.versions[key].forEach((step, version) => {
    const state = run.state(key, version);
    if (!state?.status) return;
    const metric = state.status.currentMetrics?.[0];
    const kind = metric?.type ? metric.type.charAt(0).toLowerCase() + metric.type.slice(1) : "";
    const current = metric?.[kind]?.current ?? {};
    points.push({
      time: run.time[step],
      step,
      measured: current.averageUtilization ?? quantity(current.averageValue),
      replicas: state.status.currentReplicas ?? 0,
      desired: state.status.desiredReplicas ?? 0,
    });
  });
  return points;
}
