// What is different between two states, as leaf paths (JSON pointers), and paths in the words people use for them.

import { toSegment, type Json, fromSegment } from "./delta";

export interface FieldChange {
  /** JSON pointer. */
  path: string;
  /** `undefined` when the field was not there. */
  before: Json;
  /** `undefined` when the field is gone. */
  after: Json;
}

/** Fields that change with every write and say nothing. */
const NOISE = new Set(["/metadata/resourceVersion", "/metadata/generation", "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"]);

/** The fields that differ, deepest first found, at most `limit`. Shared parts are skipped by identity. */
export function diff(before: Json, after: Json, limit = 500): FieldChange[] {
  const found: FieldChange[] = [];
  walk(before, after, "", found, limit);
  return found;
}

/** As `diff`, without the fields that change at every write. */
export function told(before: Json, after: Json, limit = 500): FieldChange[] {
  return diff(before, after, limit).filter((change) => !NOISE.has(change.path));
}

function walk(before: Json, after: Json, at: string, found: FieldChange[], limit: number): void {
  if (before === after || found.length >= limit) return;
  const lists = Array.isArray(before) && Array.isArray(after);
  const maps = isMap(before) && isMap(after);
  if (!lists && !maps) {
    if (!same(before, after)) found.push({ path: at, before, after });
    return;
  }
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  for (const name of names) {
    const [old, now] = [Object.hasOwn(before, name) ? before[name] : undefined, Object.hasOwn(after, name) ? after[name] : undefined];
    walk(old, now, `${at}/${toSegment(name)}`, found, limit);
  }
}

export function isMap(value: Json): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function same(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && same(a[name], b[name]));
}

/** `/status/conditions/2/status` as `status.conditions[Ready].status`: list members by their name or type where they have one. */
export function pathWords(path: string, state: Json): string {
  let [words, here] = ["", state];
  for (const segment of path.split("/").slice(1).map(fromSegment)) {
    if (Array.isArray(here)) {
      const member = here[Number(segment)];
      const name = isMap(member) ? (member.type ?? member.name ?? member.key ?? segment) : segment;
      words += `[${name}]`;
      here = member;
    } else {
      words += /^[\w-]+$/.test(segment) ? (words ? `.${segment}` : segment) : `["${segment}"]`;
      here = isMap(here) ? here[segment] : undefined;
    }
  }
  return words || "(everything)";
}

/** A value in few characters. */
export function short(value: Json, most = 60): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") return value.length > most ? `${value.slice(0, most - 1)}…` : value === "" ? '""' : value;
  if (Array.isArray(value)) return value.length === 1 ? "1 entry" : `${value.length} entries`;
  if (isMap(value)) {
    const text = JSON.stringify(value);
    return text.length > most
      ? `{${Object.keys(value)
          .join(", ")
          .slice(0, most - 3)}…}`
      : text;
  }
  return String(value);
}

/** "replicas: 5 → 4": a change in words. */
export function changeWords(change: FieldChange, before: Json, after: Json): string {
  const where = pathWords(change.path, change.after === undefined ? before : after);
  if (change.before === undefined) return `${where} set to ${short(change.after)}`;
  if (change.after === undefined) return `${where} removed (was ${short(change.before)})`;
  return `${where}: ${short(change.before)} → ${short(change.after)}`;
}
