// The scheduler's last look at a pod as a table, and what would make the pod fit: worked out from the node, the pods on it and
// the pod's own requests, for the reasons a filter gives most often; other reasons are told as the filter told them.

import type { Json } from "./delta";
import { amount, quantity } from "./quantity";
import type { Run } from "./run";

export interface Row {
  node: string;
  plugin: string | null;
  reasons: string[];
  scores: { plugin: string; score: number; weight: number }[];
  total: number;
  chosen: boolean;
  fit: string[];
}

export interface Table {
  step: number;
  attempt: number;
  message: string;
  chosen: string | null;
  examined: number;
  total: number;
  rows: Row[];
  /** Names of the scores, as columns. */
  plugins: string[];
  /** Other nodes with the same sum as the chosen one: which of the best is taken is chance. */
  ties: string[];
}

/** The last decision about a pod at a step; `undefined` when the scheduler has not looked at it. */
export function decision(run: Run, podKey: number, step: number): Table | undefined {
  const about = run.about[podKey];
  let found = -1;
  for (const at of run.ofType.s ?? []) {
    if (at > step) break;
    if (run.keyOfStep[at] === podKey) found = at;
  }
  if (found < 0 || !about) return undefined;
  const told = run.steps[found][4];
  const pod = run.at(podKey, found);
  const rows: Row[] = told.nodes.map(([node, plugin, reasons, scores]: Json[]) => {
    const parts = (scores ?? []).map(([name, score, weight]: Json[]) => ({ plugin: name, score, weight }));
    const total = parts.reduce((sum: number, s: Json) => sum + s.score * s.weight, 0);
    const fit = plugin && pod ? whatWouldFit(run, found, pod, node, plugin, reasons ?? []) : [];
    return { node, plugin, reasons: reasons ?? [], scores: parts, total, chosen: node === told.chosen, fit };
  });
  const plugins = [...new Set(rows.flatMap((row) => row.scores.map((s) => s.plugin)))];
  const best = rows.find((row) => row.chosen);
  const ties = best && plugins.length ? rows.filter((row) => row !== best && !row.plugin && row.total === best.total).map((row) => row.node) : [];
  return { step: found, attempt: told.attempt, message: told.message, chosen: told.chosen, examined: told.examined, total: told.total, rows, plugins, ties };
}

function whatWouldFit(run: Run, step: number, pod: Json, nodeName: string, plugin: string, reasons: string[]): string[] {
  const key = run.byId.get(`Node//${nodeName}`);
  const node = key === undefined ? undefined : run.at(key, step);
  if (!node) return [];
  if (plugin === "NodeResourcesFit") return reasons.map((reason) => resources(run, step, pod, node, nodeName, reason));
  if (plugin === "TaintToleration") return taints(pod, node);
  if (plugin === "NodeUnschedulable") return [`kubectl uncordon ${nodeName}`];
  if (plugin === "NodeAffinity") return selector(pod, node);
  if (plugin === "NodeName") return [`spec.nodeName asks for ${pod.spec?.nodeName}`];
  if (plugin === "NodePorts") return ["another pod on this node holds the host port: free it, or leave hostPort out"];
  if (plugin === "PodTopologySpread") return ["pods are spread too unevenly for maxSkew: a node in an emptier zone, or whenUnsatisfiable: ScheduleAnyway"];
  if (plugin === "InterPodAffinity") return ["the pod's (anti-)affinity and the pods on this node do not agree"];
  return [];
}

function resources(run: Run, step: number, pod: Json, node: Json, nodeName: string, reason: string): string {
  if (reason === "Too many pods") return `the node takes ${node.status?.allocatable?.pods} pods: another node, or fewer pods on it`;
  const name = /^Insufficient (.+)$/.exec(reason)?.[1];
  if (!name) return reason;
  const asked = requested(pod, name);
  const all = quantity(node.status?.allocatable?.[name]) ?? 0;
  let used = 0;
  for (const key of run.byKind.get("Pod") ?? []) {
    const other = run.at(key, step);
    if (other?.spec?.nodeName === nodeName && other.status?.phase !== "Succeeded" && other.status?.phase !== "Failed") used += requested(other, name);
  }
  const [free, say] = [all - used, (value: number) => amount(name, value)];
  const lack = `asks for ${say(asked)} ${name}, ${say(Math.max(0, free))} of ${say(all)} is free`;
  if (asked > all) return `${lack}: the node is too small for it even when empty; ask for ${say(free)} or less, or add a larger node`;
  return `${lack}: ${say(asked - free)} less asked for, or as much freed on the node, would make it fit`;
}

/** What a pod asks for of a resource: its containers together, or its largest init container. */
export function requested(pod: Json, name: string): number {
  const of = (c: Json) => quantity(c.resources?.requests?.[name] ?? c.resources?.limits?.[name]) ?? 0;
  const sum = (pod.spec?.containers ?? []).reduce((total: number, c: Json) => total + of(c), 0);
  return Math.max(sum, ...(pod.spec?.initContainers ?? []).map(of)) + (quantity(pod.spec?.overhead?.[name]) ?? 0);
}

function taints(pod: Json, node: Json): string[] {
  const tolerated = (taint: Json) =>
    (pod.spec?.tolerations ?? []).some(
      (t: Json) =>
        (!t.effect || t.effect === taint.effect) &&
        (t.operator === "Exists" ? !t.key || t.key === taint.key : t.key === taint.key && (t.value ?? "") === (taint.value ?? "")),
    );
  return (node.spec?.taints ?? [])
    .filter((taint: Json) => taint.effect !== "PreferNoSchedule" && !tolerated(taint))
    .map((taint: Json) => `a toleration for ${taint.key}${taint.value ? `=${taint.value}` : ""}:${taint.effect}, or the taint taken away`);
}

function selector(pod: Json, node: Json): string[] {
  const labels = node.metadata?.labels ?? {};
  const wanted = Object.entries(pod.spec?.nodeSelector ?? {}).filter(([name, value]) => labels[name] !== value);
  if (wanted.length === 0) return ["the pod's required node affinity does not match this node's labels"];
  return wanted.map(([name, value]) => `the label ${name}=${value} on the node${labels[name] === undefined ? "" : ` (it is ${labels[name]})`}`);
}
