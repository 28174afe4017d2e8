// Workloads as trees of owners, and nodes with their pods: what the overview draws.

import { believed } from "./belief";
import type { Json } from "./delta";
import { type Mood, type PodSummary, pod } from "./pods";
import type { Run } from "./run";

export interface Tree {
  key: number;
  state: Json;
  children: Tree[];
  /** All pods below. */
  pods: number[];
}

export interface Counts {
  desired: number | undefined;
  actual: number;
  ready: number;
  /** What the controller's cache holds; `undefined` when nobody watches. */
  believed: number | undefined;
}

export const WORKLOADS = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "CronJob", "Job"];
const BY_CONTROLLER = "kube-controller-manager";

/** The controller's owner reference. */
export function ownerOf(state: Json): Json | undefined {
  return (state?.metadata?.ownerReferences ?? []).find((ref: Json) => ref.controller);
}

/** The owner trees at a step: roots are workloads that nobody owns, and pods that stand alone. */
export function trees(run: Run, step: number): Tree[] {
  const byUid = new Map<string, Tree>();
  const all: Tree[] = [];
  for (const kind of [...WORKLOADS, "Pod"]) {
    for (const key of run.byKind.get(kind) ?? []) {
      const state = run.at(key, step);
      if (state === undefined) continue;
      const tree: Tree = { key, state, children: [], pods: kind === "Pod" ? [key] : [] };
      byUid.set(state.metadata?.uid, tree);
      all.push(tree);
    }
  }
  const roots: Tree[] = [];
  for (const tree of all) {
    const owner = byUid.get(ownerOf(tree.state)?.uid);
    if (owner) owner.children.push(tree);
    else roots.push(tree);
  }
  for (const root of roots) gather(root);
  return roots.sort((a, b) => rank(run, a) - rank(run, b) || name(run, a).localeCompare(name(run, b)));
}

const rank = (run: Run, tree: Tree) => WORKLOADS.concat("Pod").indexOf(run.keys[tree.key].kind);
const name = (run: Run, tree: Tree) => `${run.keys[tree.key].namespace}/${run.keys[tree.key].name}`;

function gather(tree: Tree): number[] {
  for (const child of tree.children) tree.pods = tree.pods.concat(gather(child));
  return tree.pods;
}

/** Desired, actual, ready and believed numbers of a workload's pods. */
export function counts(run: Run, tree: Tree, step: number, cache: Cache): Counts {
  const { kind } = run.keys[tree.key];
  const { spec, status } = tree.state;
  const desired =
    kind === "DaemonSet" ? status?.desiredNumberScheduled : kind === "Job" ? (spec?.completions ?? 1) : kind === "CronJob" ? undefined : (spec?.replicas ?? 1);
  const alive = tree.pods.filter((key) => !run.at(key, step)?.metadata?.deletionTimestamp);
  const ready = alive.filter((key) => pod(run.at(key, step)).mood === "ok").length;
  return { desired, actual: alive.length, ready, believed: cache.podsUnder(tree) };
}

/** The controller manager's cache at a step, counted by owner once. */
export class Cache {
  private byOwner: Map<string, number> | undefined;

  constructor(run: Run, step: number) {
    const pods = believed(run, BY_CONTROLLER, "Pod", step);
    if (!pods) return;
    this.byOwner = new Map();
    for (const [key, version] of pods) {
      const state = run.state(key, version);
      if (state?.metadata?.deletionTimestamp) continue;
      const uid = ownerOf(state)?.uid ?? "";
      this.byOwner.set(uid, (this.byOwner.get(uid) ?? 0) + 1);
    }
  }

  podsUnder(tree: Tree): number | undefined {
    if (!this.byOwner) return undefined;
    return tree.children.reduce((sum, child) => sum + (this.podsUnder(child) ?? 0), this.byOwner.get(tree.state.metadata?.uid) ?? 0);
  }
}

export interface NodeRow {
  /** -1 for the row of pods without a node. */
  key: number;
  name: string;
  ready: boolean;
  cordoned: boolean;
  taints: string[];
  pods: { key: number; summary: PodSummary }[];
  moods: Record<Mood, number>;
}

/** Nodes with their pods, then the pods that have no node. */
export function nodes(run: Run, step: number): NodeRow[] {
  const rows = new Map<string, NodeRow>();
  for (const key of run.present("Node", step)) {
    const state = run.at(key, step);
    const ready = (state.status?.conditions ?? []).some((c: Json) => c.type === "Ready" && c.status === "True");
    const taints = (state.spec?.taints ?? []).map((t: Json) => `${t.key}:${t.effect}`);
    const { name } = run.keys[key];
    rows.set(name, { key, name, ready, cordoned: !!state.spec?.unschedulable, taints, pods: [], moods: moods() });
  }
  const none: NodeRow = { key: -1, name: "no node yet", ready: true, cordoned: false, taints: [], pods: [], moods: moods() };
  for (const key of run.byKind.get("Pod") ?? []) {
    const state = run.at(key, step);
    if (state === undefined) continue;
    const summary = pod(state);
    const row = rows.get(summary.node) ?? none;
    row.pods.push({ key, summary });
    row.moods[summary.mood] += 1;
  }
  const sorted = [...rows.values()].sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  return none.pods.length ? [...sorted, none] : sorted;
}

/** The rows of now, with those of before in their place where nothing on them is different: what is the same is not drawn anew. */
export function sameRows(before: NodeRow[], now: NodeRow[]): NodeRow[] {
  return now.map((row, i) => (before[i] && sameRow(before[i], row) ? before[i] : row));
}

function sameRow(a: NodeRow, b: NodeRow): boolean {
  if (a.key !== b.key || a.name !== b.name || a.ready !== b.ready || a.cordoned !== b.cordoned || a.pods.length !== b.pods.length) return false;
  if (a.taints.join() !== b.taints.join()) return false;
  return a.pods.every((pod, i) => pod.key === b.pods[i].key && pod.summary === b.pods[i].summary);
}

function moods(): Record<Mood, number> {
  return { ok: 0, wait: 0, bad: 0, end: 0, done: 0 };
}
