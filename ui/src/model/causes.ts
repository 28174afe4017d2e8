// Why a step happened: its recorded cause, and the chain of causes back to what a user did, a fault, or the beginning.

import type { Json } from "./delta";
import { changeWords, type FieldChange, told } from "./diff";
import { clock, span } from "./format";
import { Change, type Run } from "./run";

export interface Link {
  step: number;
  /** "woken by", "decided by": how the earlier step led to the later one. */
  how: string;
}

/** What led to a step; `undefined` at the start of a chain. */
export function because(run: Run, step: number): Link | undefined {
  const cause = run.causeOf(step);
  if (cause === step || step === 0) return undefined;
  if (cause === 0 && run.typeOf(0) === "b") return undefined;
  return { step: cause, how: relation(run, cause, step) };
}

/** How one step leads to another, by what they are: cause, effect, and the words; the first row that fits both. */
const RELATIONS: [string, string, string][] = [
  ["r", "cx", "decided by"],
  ["a", "cx", "asked for by"],
  ["s", "cx", "decided by"],
  ["n", "cx", "reports that"],
  ["*", "d", "ends"],
  ["c", "rs", "woken by"],
  ["c", "n", "the kubelet learnt that"],
  ["n", "n", "because, on the node,"],
  ["h", "n", "because of the request"],
  ["h", "c", "reports what followed when"],
  ["f", "nc", "because of the fault"],
  ["a", "*", "asked for by"],
];

function relation(run: Run, cause: number, step: number): string {
  const [from, to] = [run.typeOf(cause), run.typeOf(step)];
  const fits = (list: string, type: string) => list === "*" || list.includes(type);
  return RELATIONS.find(([causes, effects]) => fits(causes, from) && fits(effects, to))?.[2] ?? "follows from";
}

/** The chain of causes, the step itself first, its first cause last. */
export function chain(run: Run, step: number, most = 1000): Link[] {
  const links: Link[] = [{ step, how: "" }];
  for (let at = step; links.length < most; ) {
    const link = because(run, at);
    if (!link || link.step >= at) break;
    links.push(link);
    at = link.step;
  }
  return links;
}

/** The fields a change changed; for a new object nothing. */
export function changesOf(run: Run, step: number): FieldChange[] {
  if (run.typeOf(step) !== "c" || run.steps[step][6] !== Change.Changed) return [];
  const [before, after] = around(run, step);
  return told(before, after);
}

/** The state before and after a change. */
export function around(run: Run, step: number): [Json, Json] {
  const key = run.keyOfStep[step];
  const version = run.versionAt(key, step);
  return [run.state(key, version - 1), run.state(key, version)];
}

export function objectWords(run: Run, key: number): string {
  if (key < 0) return "";
  const { kind, name } = run.keys[key];
  return `${kind} ${name}`;
}

/** One step as a sentence, without its time. */
export function words(run: Run, step: number): string {
  const [, , , type, ...rest] = run.steps[step];
  const who = run.componentOf(step);
  const key = run.keyOfStep[step];
  switch (type) {
    case "b":
      return "The world began.";
    case "a":
      return rest[1] ? `${rest[0]} (line ${rest[1]})` : rest[0];
    case "d":
      return `${rest[0]} ended${rest[1] ? ` with exit code ${rest[1]}` : ""}: ${firstLine(rest[2])}`;
    case "c":
      return changed(run, step, key);
    case "x":
      return `${rest[0]} was refused: ${rest[1]} ${rest[2]}: ${rest[3]}`;
    case "r":
      return `looked at ${objectWords(run, key)}: ${rest[1] || (rest[2] ?? []).join("; ") || "nothing to do"}`;
    case "s":
      return rest[0].chosen ? `chose ${rest[0].chosen} for ${rest[0].pod}` : `found no node for ${rest[0].pod}: ${rest[0].message}`;
    case "n":
      return `${key >= 0 ? `${run.keys[key].name}: ` : ""}${rest[1]}`;
    case "h":
      return request(rest);
    case "f":
      return faultWords(rest[0]);
    case "t":
      return `${key >= 0 ? `${objectWords(run, key)}: ` : ""}${rest[1]}`;
    default:
      return `${who}: ${type}`;
  }
}

function firstLine(text: string): string {
  const lines = (text ?? "").trim().split("\n");
  return lines.length > 1 ? `${lines[0]} … (${lines.length} lines)` : lines[0] || "no output";
}

function request([from, to, path, status, micros, error]: Json[]): string {
  const outcome = error ? `failed: ${error}` : `${status} after ${span(micros)}`;
  return `${from} asked ${to || "nobody"} for ${path}: ${outcome}`;
}

function changed(run: Run, step: number, key: number): string {
  const kind = run.steps[step][6];
  const object = objectWords(run, key);
  if (kind === Change.Added) return object.startsWith("Event ") ? eventWords(run.steps[step][7]) : `made ${object}`;
  if (kind === Change.Removed) return `removed ${object}`;
  const changes = changesOf(run, step);
  const [before, after] = around(run, step);
  const first = changes.slice(0, 2).map((change) => changeWords(change, before, after));
  const more = changes.length > 2 ? `, and ${changes.length - 2} more` : "";
  return `changed ${object}${first.length ? `: ${first.join("; ")}${more}` : " (nothing but its version)"}`;
}

function eventWords(event: Json): string {
  return `told of ${event?.involvedObject?.kind ?? ""} ${event?.involvedObject?.name ?? ""}: ${event?.reason ?? ""}: ${event?.message ?? event?.note ?? ""}`;
}

/** `HoldWatch { process: KubeControllerManager, kind: Some(Pod) }` with less punctuation. */
export function faultWords(text: string): string {
  const partition = /^Partition \{ node: "([^"]*)", is_cut: (true|false) \}$/.exec(text);
  if (partition) return `${partition[1]} is ${partition[2] === "true" ? "cut off from the API server" : "joined to the API server again"}`;
  return text
    .replace(/Some\(([^)]*)\)/g, "$1")
    .replace(/\{ (.*) \}$/, "($1)")
    .replace(/([a-z])([A-Z])/g, (_, a, b) => `${a} ${b.toLowerCase()}`);
}

/** "30.609 s  deployment-controller …" */
export function sentence(run: Run, step: number): string {
  return `${clock(run.time[step])} · ${run.componentOf(step)} ${words(run, step)}`;
}
