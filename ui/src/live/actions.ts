// What can be done to a live cluster, as plans: nothing is sent until the user has seen the plan and said yes.

import { LineCounter, parseAllDocuments } from "yaml";
import type { Json } from "../model/delta";
import { clock } from "../model/format";
import { control, pathOf, type Plan, type Request, type Resource, resourceNamed, resourceOf } from "./kube";

export const MANAGER = "ksim-page";

export interface YamlProblem {
  from: number;
  to: number;
  line: number;
  column: number;
  message: string;
}

/** What is wrong with YAML, with line and column from 1; the objects in it. */
export function readYaml(text: string): { problems: YamlProblem[]; objects: { value: Json; line: number }[] } {
  const counter = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: counter, prettyErrors: false, schema: "yaml-1.1" });
  const problems: YamlProblem[] = [];
  const objects: { value: Json; line: number }[] = [];
  const problem = (from: number, to: number, message: string) => {
    const { line, col } = counter.linePos(from);
    problems.push({ from, to: Math.max(to, from + 1), line, column: col, message });
  };
  for (const document of Array.isArray(documents) ? documents : []) {
    for (const error of document.errors) problem(error.pos[0], error.pos[1], error.message);
    if (document.errors.length) continue;
    const value = document.toJS();
    const at = document.contents?.range?.[0] ?? document.range?.[0] ?? 0;
    if (value === null || value === undefined) continue;
    if (typeof value !== "object" || Array.isArray(value)) problem(at, at + 1, "this is no object: it needs apiVersion, kind and metadata");
    else {
      for (const field of ["apiVersion", "kind"]) if (typeof value[field] !== "string") problem(at, at + 1, `${field} is missing`);
      if (!value.metadata?.name) problem(at, at + 1, "metadata.name is missing");
      objects.push({ value, line: counter.linePos(at).line });
    }
  }
  return { problems, objects };
}

/** Server-side apply of all objects of a YAML text. */
export async function apply(text: string, force: boolean, dryRun = false): Promise<Plan> {
  const { problems, objects } = readYaml(text);
  if (problems.length) throw new Error(`line ${problems[0].line}, column ${problems[0].column}: ${problems[0].message}`);
  if (objects.length === 0) throw new Error("there is no object in it");
  const requests: Request[] = [];
  for (const { value } of objects) {
    const resource = await resourceOf(value.apiVersion, value.kind);
    const path = pathOf(resource, value.metadata.namespace ?? "default", value.metadata.name);
    const query = `fieldManager=${MANAGER}&fieldValidation=Strict${force ? "&force=true" : ""}${dryRun ? "&dryRun=All" : ""}`;
    requests.push({ method: "PATCH", path: `${path}?${query}`, type: "application/apply-patch+yaml", body: JSON.stringify(value) });
  }
  return { title: `Apply ${objects.map((o) => `${o.value.kind} ${o.value.metadata.name}`).join(", ")}`, requests, harms: false };
}

export async function scale(kind: string, namespace: string, name: string, replicas: number): Promise<Plan> {
  if (!Number.isInteger(replicas) || replicas < 0) throw new Error(`${replicas} is no number of replicas`);
  const resource = await resourceNamed(kind);
  const body = JSON.stringify({ spec: { replicas } });
  return {
    title: `Scale ${resource.kind} ${name} to ${replicas}`,
    requests: [{ method: "PATCH", path: `${pathOf(resource, namespace, name)}/scale?fieldManager=${MANAGER}`, type: "application/merge-patch+json", body }],
    harms: false,
  };
}

export async function remove(kind: string, namespace: string, name: string): Promise<Plan> {
  const resource: Resource = await resourceNamed(kind);
  return {
    title: `Delete ${resource.kind} ${name}`,
    requests: [
      { method: "DELETE", path: pathOf(resource, namespace, name), type: "application/json", body: JSON.stringify({ propagationPolicy: "Background" }) },
    ],
    harms: true,
  };
}

/** Winds the present branch back to a moment, microseconds since the run began. */
export const backTo = (micros: number): Plan => ({
  title: `Go back to ${clock(micros)}; what came after it is lost on this branch`,
  requests: [control({ backTo: { micros } })],
  harms: true,
});

/** Keeps the present branch and goes on with a copy of it at a moment of the past, standing still so that something can be changed. */
export function branchAt(name: string, present: string, micros: number, speed: string): Plan {
  const requests = [control({ fork: name }), control({ backTo: { micros } })];
  if (speed !== "paused") requests.unshift(control("pause"));
  return { title: `Branch ${name} off at ${clock(micros)}; ${present || "main"} is kept as it is, time stands still`, requests, harms: false };
}

const fault = (title: string, value: Json): Plan => ({ title, requests: [control({ fault: value })], harms: true });

/** Faults, in the words of a scenario's `fault` step. */
export const faults = {
  crash: (namespace: string, pod: string, container: string, code: number) =>
    fault(`Crash a container of pod ${pod}`, { container: { pod: { name: pod }, namespace, ...(container ? { container } : {}), crash: code } }),
  node: (name: string, state: string) => fault(`Node ${name}: ${state}`, { node: { name, state } }),
  hold: (process: string, kind: string, seconds: number, node = "") =>
    fault(`Hold the watch of ${process}${kind ? ` on ${kind}` : ""} for ${seconds} s`, {
      holdWatch: { process, ...(node ? { node } : {}), ...(kind ? { kind } : {}), for: `${seconds}s` },
    }),
  partition: (node: string, seconds: number) =>
    fault(`Cut node ${node} off from the API server for ${seconds} s; its containers run on`, { partition: { node, for: `${seconds}s` } }),
  join: (node: string) => fault(`Join node ${node} to the API server again`, { join: { node } }),
  etcd: (state: string, seconds: number) =>
    fault(state === "healthy" ? "etcd is healthy again" : `etcd: ${state} for ${seconds} s`, {
      etcd: { state, ...(state === "healthy" ? {} : { for: `${seconds}s` }) },
    }),
  stop: (process: string, seconds: number, node = "") =>
    fault(`Stop ${process} for ${seconds} s`, { stop: { process, ...(node ? { node } : {}), for: `${seconds}s` } }),
};
