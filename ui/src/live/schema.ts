// Completion from the server's own OpenAPI v3 documents: the members that may stand where the cursor is, with what they mean.

import type { Json } from "../model/delta";
import { get } from "./kube";

export interface Member {
  name: string;
  type: string;
  about: string;
  required: boolean;
}

/** Where a cursor is in YAML text: the object's type, the members above it, and those it has already. */
export interface Spot {
  apiVersion: string;
  kind: string;
  path: string[];
  siblings: Set<string>;
}

const documents = new Map<string, Promise<Json>>();

function load(path: string): Promise<Json> {
  let known = documents.get(path);
  if (!known) {
    known = get(path);
    documents.set(path, known);
    known.catch(() => documents.delete(path));
  }
  return known;
}

/** Reads the spot from indentation, so that it works while the YAML is not whole. */
export function spotAt(text: string, offset: number): Spot {
  const start = Math.max(text.lastIndexOf("\n---", offset - 1) + 1, 0);
  const next = text.indexOf("\n---", offset);
  const own = text.slice(start, next < 0 ? text.length : next);
  const lines = text.slice(start, offset).split("\n");
  const last = lines.pop() ?? "";
  let depth = indent(last);
  const path: string[] = [];
  for (const line of lines.reverse()) {
    if (!line.trim() || line.trimStart().startsWith("#") || line.startsWith("---")) continue;
    const found = /^(\s*(?:- )*)([\w.$/-]+):\s*(.*)$/.exec(line);
    if (!found) continue;
    const at = indent(line);
    const holds = at < depth || (at === depth && /^\s*- /.test(last) && path.length === 0 && !/^\s*- /.test(line) && found[3] === "");
    if (holds && found[3].replace(/#.*/, "").trim() === "") {
      path.unshift(found[2]);
      // A list entry's members are under its list: what is above must be further left than the dash.
      depth = /^\s*- /.test(line) ? line.search(/\S/) : at;
      if (depth === 0 && at === 0) break;
    } else if (at < depth && /^\s*- /.test(line)) depth = line.search(/\S/) + 0;
  }
  const siblings = new Set<string>();
  return { apiVersion: member(own, "apiVersion"), kind: member(own, "kind"), path, siblings };
}

function indent(line: string): number {
  return (/^\s*(?:- +)*/.exec(line)?.[0] ?? "").length;
}

function member(text: string, name: string): string {
  return new RegExp(`^${name}:\\s*["']?([\\w./-]+)`, "m").exec(text)?.[1] ?? "";
}

/** The members that may stand at a spot. Empty when the type is not known to the server. */
export async function membersAt(spot: Spot): Promise<Member[]> {
  if (!spot.apiVersion || !spot.kind) {
    return ["apiVersion", "kind", "metadata", "spec"].map((name) => ({ name, type: "", about: "", required: name !== "spec" }));
  }
  const index = await load("/openapi/v3");
  const at = spot.apiVersion === "v1" ? "api/v1" : `apis/${spot.apiVersion}`;
  const where = index.paths?.[at]?.serverRelativeURL;
  if (!where) return [];
  const { components } = await load(where);
  const [group, version] = spot.apiVersion.includes("/") ? spot.apiVersion.split("/") : ["", spot.apiVersion];
  let schema: Json = Object.values(components.schemas).find((s: Json) =>
    (s["x-kubernetes-group-version-kind"] ?? []).some((gvk: Json) => gvk.kind === spot.kind && gvk.version === version && (gvk.group ?? "") === group),
  );
  for (const name of spot.path) schema = inner(components.schemas, schema, name);
  schema = resolved(components.schemas, schema);
  const required: string[] = schema?.required ?? [];
  return Object.entries(schema?.properties ?? {}).map(([name, property]: [string, Json]) => {
    const own = resolved(components.schemas, property);
    return { name, type: own?.type ?? "", about: property.description ?? own?.description ?? "", required: required.includes(name) };
  });
}

function resolved(schemas: Json, schema: Json, depth = 0): Json {
  if (!schema || depth > 8) return schema;
  const reference = schema.$ref ?? schema.allOf?.[0]?.$ref;
  if (reference) return resolved(schemas, schemas[String(reference).split("/").pop() ?? ""], depth + 1);
  if (schema.type === "array" && schema.items) return resolved(schemas, schema.items, depth + 1);
  return schema;
}

function inner(schemas: Json, schema: Json, name: string): Json {
  const own = resolved(schemas, schema);
  return own?.properties?.[name] ?? (typeof own?.additionalProperties === "object" ? own.additionalProperties : undefined);
}
