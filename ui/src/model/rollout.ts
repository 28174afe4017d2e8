// The arithmetic of a rollout: how many pods there may be, how many must be available, what may be made or taken away now, and
// what it waits for. The rules are those of Kubernetes' deployment controller (surge rounds up, unavailable rounds down).

import type { Json } from "./delta";
import { ownerOf } from "./owners";
import { condition, pod } from "./pods";
import type { Run } from "./run";

export interface SetRow {
  key: number;
  name: string;
  revision: string;
  isNew: boolean;
  wanted: number;
  pods: number;
  ready: number;
  available: number;
}

export interface Rollout {
  strategy: string;
  replicas: number;
  surge: number;
  unavailable: number;
  most: number;
  fewest: number;
  total: number;
  available: number;
  updated: number;
  mayMake: number;
  mayGo: number;
  sets: SetRow[];
  done: boolean;
  waits: { text: string; key: number }[];
  /** The controller's last decision: its step and words. */
  decided: { step: number; text: string; reasons: string[] } | undefined;
}

/** "25%" of n, rounded up or down. */
export function share(value: Json, of: number, up: boolean): number {
  if (typeof value !== "string" || !value.endsWith("%")) return Number(value ?? 0);
  const exact = (Number(value.slice(0, -1)) * of) / 100;
  return up ? Math.ceil(exact) : Math.floor(exact);
}

export function rollout(run: Run, key: number, step: number): Rollout | undefined {
  const state = run.at(key, step);
  if (!state || run.keys[key].kind !== "Deployment") return undefined;
  const replicas = state.spec?.replicas ?? 1;
  const strategy = state.spec?.strategy?.type ?? "RollingUpdate";
  const rolling = state.spec?.strategy?.rollingUpdate ?? {};
  let [surge, unavailable] = [share(rolling.maxSurge ?? "25%", replicas, true), share(rolling.maxUnavailable ?? "25%", replicas, false)];
  if (strategy === "Recreate") [surge, unavailable] = [0, replicas];
  else if (surge === 0 && unavailable === 0) unavailable = 1;
  const sets = setRows(run, state, step);
  const sum = (of: (row: SetRow) => number) => sets.reduce((total, row) => total + of(row), 0);
  const [most, fewest, available] = [replicas + surge, replicas - unavailable, sum((row) => row.available)];
  const [wanted, fresh] = [sum((row) => row.wanted), sets.find((row) => row.isNew)];
  const old = wanted - (fresh?.wanted ?? 0);
  const unready = Math.max(0, (fresh?.wanted ?? 0) - (fresh?.available ?? 0));
  const mayMake = Math.max(0, Math.min(most - wanted, replicas - (fresh?.wanted ?? 0)));
  const mayGo = Math.max(0, Math.min(old, wanted - fewest - unready));
  const done = old === 0 && (fresh?.available ?? 0) >= replicas && sum((row) => row.pods) === replicas;
  return {
    strategy,
    replicas,
    surge,
    unavailable,
    most,
    fewest,
    total: sum((row) => row.pods),
    available,
    updated: fresh?.pods ?? 0,
    mayMake,
    mayGo,
    sets,
    done,
    waits: done ? [] : waits(run, state, step, fresh),
    decided: decided(run, key, step),
  };
}

function setRows(run: Run, state: Json, step: number): SetRow[] {
  const rows: SetRow[] = [];
  let newest = -1;
  for (const key of run.byKind.get("ReplicaSet") ?? []) {
    const set = run.at(key, step);
    if (ownerOf(set)?.uid !== state.metadata.uid) continue;
    const revision = set.metadata?.annotations?.["deployment.kubernetes.io/revision"] ?? "";
    const status = set.status ?? {};
    rows.push({
      key,
      name: run.keys[key].name,
      revision,
      isNew: false,
      wanted: set.spec?.replicas ?? 1,
      pods: status.replicas ?? 0,
      ready: status.readyReplicas ?? 0,
      available: status.availableReplicas ?? 0,
    });
    if (newest < 0 || Number(revision) > Number(rows[newest].revision)) newest = rows.length - 1;
  }
  if (newest >= 0) rows[newest].isNew = true;
  return rows.sort((a, b) => Number(b.revision) - Number(a.revision));
}

function waits(run: Run, state: Json, step: number, fresh: SetRow | undefined): Rollout["waits"] {
  const found: Rollout["waits"] = [];
  if (state.spec?.paused) found.push({ text: "it is paused: kubectl rollout resume", key: -1 });
  if ((state.status?.observedGeneration ?? 0) < (state.metadata?.generation ?? 0))
    found.push({ text: "the controller has not seen the last change of its spec yet", key: -1 });
  if (!fresh) return [...found, { text: "no replica set has this template yet", key: -1 }];
  for (const key of run.byKind.get("Pod") ?? []) {
    const state = run.at(key, step);
    if (!state || ownerOf(state)?.name !== fresh.name || state.metadata?.namespace !== run.keys[fresh.key].namespace) continue;
    // The first few are told of; of the others the number is enough.
    if (pod(state).mood !== "ok") found.push({ text: found.length < 5 ? `${run.keys[key].name} is not ready: ${whyNotReady(state)}` : "", key });
  }
  if (fresh.pods < fresh.wanted) found.push({ text: `${fresh.name} has ${fresh.pods} of ${fresh.wanted} pods it was told to have`, key: fresh.key });
  return found;
}

function whyNotReady(state: Json): string {
  const summary = pod(state);
  if (condition(state, "PodScheduled")?.status === "False") return condition(state, "PodScheduled").message ?? "no node";
  if (!summary.node) return "the scheduler has not looked at it yet";
  const probe = state.spec?.containers?.find((c: Json) => c.readinessProbe)?.readinessProbe;
  const running = (state.status?.containerStatuses ?? []).some((c: Json) => c.state?.running);
  if (running && probe)
    return `its container runs, its readiness probe has not succeeded yet (first after ${probe.initialDelaySeconds ?? 0} s, then every ${probe.periodSeconds ?? 10} s)`;
  return summary.status;
}

function decided(run: Run, key: number, step: number): Rollout["decided"] {
  for (let at = run.about[key].length - 1; at >= 0; at--) {
    const found = run.about[key][at];
    if (found > step || run.typeOf(found) !== "r") continue;
    return { step: found, text: run.steps[found][5], reasons: run.steps[found][6] ?? [] };
  }
  return undefined;
}
