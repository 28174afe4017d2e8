// Requests to the API server and the control API, and their plans: what would be sent, shown before anything is.

import type { Json } from "../model/delta";
import { connection } from "./connection.svelte";

export interface Request {
  method: string;
  path: string;
  body?: string;
  type?: string;
  accept?: string;
}

/** What is about to be done to a live cluster. */
export interface Plan {
  title: string;
  requests: Request[];
  /** Whether it takes something away or breaks something. */
  harms: boolean;
}

/** The server refused: its own words, with the status. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export async function send(request: Request): Promise<string> {
  const headers: Record<string, string> = connection.headers();
  if (request.type) headers["Content-Type"] = request.type;
  if (request.accept) headers.Accept = request.accept;
  const answer = await fetch(request.path, { method: request.method, headers, body: request.body });
  const text = await answer.text();
  if (!answer.ok) throw new ApiError(answer.status, reason(text, answer.status));
  return text;
}

function reason(text: string, status: number): string {
  try {
    const told = JSON.parse(text);
    return `${told.reason ?? status}: ${told.message ?? text}`;
  } catch {
    return `${status}: ${text.slice(0, 400) || "no words"}`;
  }
}

export async function get(path: string, accept?: string): Promise<Json> {
  return JSON.parse(await send({ method: "GET", path, accept }));
}

export function control(action: Json): Request {
  return { method: "POST", path: "/ksim/v1/control", type: "application/json", body: JSON.stringify(action) };
}

export interface Resource {
  kind: string;
  plural: string;
  singular: string;
  shortNames: string[];
  namespaced: boolean;
  apiVersion: string;
}

let known: Promise<Resource[]> | undefined;

/** Every resource the server has, by discovery. Asked for once. */
export function resources(): Promise<Resource[]> {
  known ??= discover().catch((error) => {
    known = undefined;
    throw error;
  });
  return known;
}

async function discover(): Promise<Resource[]> {
  const groups: string[] = (await get("/apis")).groups.map((g: Json) => g.preferredVersion.groupVersion);
  const lists = await Promise.all(["v1", ...groups].map((version) => get(version === "v1" ? "/api/v1" : `/apis/${version}`)));
  return lists.flatMap((list) =>
    list.resources
      .filter((r: Json) => !r.name.includes("/"))
      .map((r: Json) => ({
        kind: r.kind,
        plural: r.name,
        singular: r.singularName || r.kind.toLowerCase(),
        shortNames: r.shortNames ?? [],
        namespaced: r.namespaced,
        apiVersion: list.groupVersion,
      })),
  );
}

/** A resource by what people call it: `deploy`, `pods`, `Service`. */
export async function resourceNamed(word: string): Promise<Resource> {
  const name = word.toLowerCase();
  const found = (await resources()).find((r) => r.plural === name || r.singular === name || r.kind.toLowerCase() === name || r.shortNames.includes(name));
  if (!found) throw new Error(`the server doesn't have a resource type "${word}"`);
  return found;
}

export async function resourceOf(apiVersion: string, kind: string): Promise<Resource> {
  const found = (await resources()).find((r) => r.kind === kind && r.apiVersion === apiVersion);
  if (found) return found;
  const list = await get(apiVersion === "v1" ? "/api/v1" : `/apis/${apiVersion}`).catch(() => ({ resources: [] }));
  const other = list.resources.find((r: Json) => r.kind === kind && !r.name.includes("/"));
  if (!other) throw new Error(`the server has no kind ${kind} in ${apiVersion}`);
  return { kind, plural: other.name, singular: other.singularName, shortNames: other.shortNames ?? [], namespaced: other.namespaced, apiVersion };
}

export function pathOf(resource: Resource, namespace: string, name = ""): string {
  const root = resource.apiVersion === "v1" ? "/api/v1" : `/apis/${resource.apiVersion}`;
  const middle = resource.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${root}${middle}/${resource.plural}${name ? `/${encodeURIComponent(name)}` : ""}`;
}
