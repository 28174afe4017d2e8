// An object as lines of YAML, each with the path of its field: for showing, marking and blaming. Members are in the order
// kubectl prints them. Not a general emitter: what it writes reads back as the same value.

import { toSegment, type Json } from "./delta";
import { isMap } from "./diff";

export interface Line {
  depth: number;
  /** "- " when a list entry starts here. */
  dash: boolean;
  key: string;
  value: string;
  path: string;
}

const PLAIN = /^[A-Za-z_/.(][\w ./():=,@+^~-]*$/;
const MEANING = /^(y|n|yes|no|on|off|true|false|null|~|\.inf|\.nan)$/i;

/** The lines of an object. */
export function lines(value: Json): Line[] {
  const out: Line[] = [];
  if (isMap(value)) map(value, 0, "", out, false);
  else out.push({ depth: 0, dash: false, key: "", value: scalar(value), path: "" });
  return out;
}

function map(value: Json, depth: number, path: string, out: Line[], dash: boolean): void {
  let first = dash;
  for (const name of Object.keys(value).sort()) {
    member(name, value[name], depth, `${path}/${toSegment(name)}`, out, first);
    first = false;
  }
}

function member(name: string, value: Json, depth: number, path: string, out: Line[], dash: boolean): void {
  const line = { depth, dash, key: scalar(name), value: "", path };
  out.push(line);
  if (isMap(value) && Object.keys(value).length > 0) map(value, depth + 1, path, out, false);
  else if (Array.isArray(value) && value.length > 0) list(value, depth, path, out);
  else if (typeof value === "string" && value.includes("\n")) block(value, depth, path, out, line);
  else line.value = scalar(value);
}

function list(value: Json[], depth: number, path: string, out: Line[]): void {
  value.forEach((entry, at) => {
    const here = `${path}/${at}`;
    if (isMap(entry) && Object.keys(entry).length > 0) map(entry, depth + 1, here, out, true);
    else out.push({ depth: depth + 1, dash: true, key: "", value: scalar(entry), path: here });
  });
}

function block(value: string, depth: number, path: string, out: Line[], line: Line): void {
  if (/^\s|[^\S\n]\n|\r/.test(value) || value.trim() === "") {
    line.value = JSON.stringify(value);
    return;
  }
  const [ends, more] = [value.endsWith("\n"), value.endsWith("\n\n")];
  line.value = ends ? (more ? "|+" : "|") : "|-";
  const body = ends ? value.slice(0, -1) : value;
  for (const text of body.split("\n")) out.push({ depth: depth + 1, dash: false, key: "", value: text, path });
}

function scalar(value: Json): string {
  if (typeof value === "string")
    return PLAIN.test(value) && !MEANING.test(value) && !value.includes(": ") && !/[:\s]$/.test(value) ? value : JSON.stringify(value);
  if (Array.isArray(value)) return "[]";
  if (isMap(value)) return "{}";
  return String(value);
}

/** The text of lines, as kubectl would print it. */
export function text(value: Json): string {
  return `${lines(value)
    .map((line) => {
      const pad = "  ".repeat(line.dash ? line.depth - 1 : line.depth) + (line.dash ? "- " : "");
      return pad + (line.key ? `${line.key}:${line.value ? ` ${line.value}` : ""}` : line.value);
    })
    .join("\n")}\n`;
}
