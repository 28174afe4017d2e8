// A prompt that understands the commands people type most at kubectl: get, describe, apply, scale, delete, logs, exec. What reads, and
// what runs in a container, is answered at once; what changes an object becomes a plan that is confirmed like any other.

import type { Json } from "../model/delta";
import { text as yaml } from "../model/yaml";
import { remove, scale } from "./actions";
import { connection } from "./connection.svelte";
import { exec, execPath } from "./exec";
import { get, pathOf, type Plan, resourceNamed, send } from "./kube";

export interface Answer {
  text?: string;
  plan?: Plan;
  /** The words of `apply`: the editor is where YAML is written. */
  editor?: boolean;
}

interface Words {
  verb: string;
  rest: string[];
  namespace: string;
  all: boolean;
  flags: Record<string, string>;
  /** What comes after `--`. */
  command: string[];
}

const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
export const COMMANDS = "get, describe, apply, scale, delete, logs, exec";

/** Splits a line into words as a shell does: quotes keep spaces, a backslash keeps what comes after it. */
export function split(line: string): string[] {
  const words: string[] = [];
  let [word, quote, begun] = ["", "", false];
  for (let i = 0; i < line.length; i++) {
    const c = line[i];
    if (quote) {
      if (c === quote) quote = "";
      else if (c === "\\" && quote === '"' && /["\\$`]/.test(line[i + 1] ?? "")) word += line[++i];
      else word += c;
    } else if (c === "'" || c === '"') [quote, begun] = [c, true];
    else if (c === "\\" && i + 1 < line.length) [word, begun] = [word + line[++i], true];
    else if (/\s/.test(c)) {
      if (begun) words.push(word);
      [word, begun] = ["", false];
    } else [word, begun] = [word + c, true];
  }
  if (quote) throw new Error(`a ${quote} is not closed`);
  if (begun) words.push(word);
  return words;
}

/** Reads a command line; `kubectl` in front is allowed. */
export function parse(line: string): Words {
  const words = split(line);
  if (words[0] === "kubectl" || words[0] === "k") words.shift();
  const found: Words = { verb: words.shift() ?? "", rest: [], namespace: "default", all: false, flags: {}, command: [] };
  while (words.length) {
    const word = words.shift() as string;
    if (word === "--") {
      found.command = words.splice(0);
      break;
    }
    if (word === "-n" || word === "--namespace") found.namespace = words.shift() ?? "default";
    else if (word.startsWith("--namespace=")) found.namespace = word.slice(12);
    else if (word === "-A" || word === "--all-namespaces") found.all = true;
    else if (["-o", "-l", "-c", "-f"].includes(word)) found.flags[word.slice(1)] = words.shift() ?? "";
    else if (word.startsWith("--")) {
      const at = word.indexOf("=");
      if (at > 0) found.flags[word.slice(2, at)] = word.slice(at + 1);
      else found.flags[word.slice(2)] = ["replicas", "tail", "selector", "output", "container"].includes(word.slice(2)) ? (words.shift() ?? "") : "true";
    } else if (word.startsWith("-o") || word.startsWith("-l")) found.flags[word[1]] = word.slice(2);
    else found.rest.push(word);
  }
  return found;
}

/** Splits `deploy/web` or `deploy web`. */
function target(rest: string[]): [string, string] {
  const [kind = "", name = ""] = rest[0]?.includes("/") ? rest[0].split("/") : rest;
  return [kind, name];
}

/** `said` is called with what a command has written so far. */
export async function answer(line: string, said: (text: string) => void = () => {}): Promise<Answer> {
  const words = parse(line);
  const [kind, name] = target(words.rest);
  const need = (what: string) => {
    if (!kind || (what === "name" && !name)) throw new Error(`${words.verb} what? Such as: ${words.verb} deploy/web`);
  };
  switch (words.verb) {
    case "get":
      need("kind");
      return { text: await list(words, kind, name) };
    case "describe":
      need("name");
      return { text: await describe(words, kind, name) };
    case "logs":
      need("kind");
      return { text: await logs(words) };
    case "exec":
      need("kind");
      return { text: await run(words, said) };
    case "delete":
      need("name");
      return { plan: await remove(kind, words.namespace, name) };
    case "scale":
      need("name");
      return { plan: await scale(kind, words.namespace, name, Number(words.flags.replicas ?? "x")) };
    case "apply":
      return { editor: true };
    case "":
    case "help":
      return { text: `Here are: ${COMMANDS}; with -n NAMESPACE, -A, -l SELECTOR, -o yaml` };
    default:
      throw new Error(`“${words.verb}” is not among the commands here: ${COMMANDS}`);
  }
}

async function list(words: Words, kind: string, name: string): Promise<string> {
  const resource = await resourceNamed(kind);
  const selector = words.flags.l ?? words.flags.selector;
  const path = pathOf(resource, words.all ? "" : words.namespace, name) + (selector ? `?labelSelector=${encodeURIComponent(selector)}` : "");
  const output = words.flags.o ?? words.flags.output;
  if (output === "yaml") return yaml(await get(path));
  if (output === "json") return JSON.stringify(await get(path), null, 2);
  const table = await get(path, TABLE);
  if (table.kind !== "Table") return yaml(table);
  if (!table.rows?.length) return `No resources found${words.all || !resource.namespaced ? "" : ` in ${words.namespace} namespace`}.`;
  const columns = table.columnDefinitions.map((c: Json, i: number) => ({ ...c, i })).filter((c: Json) => !c.priority || output === "wide");
  const rows = table.rows.map((row: Json) => [
    ...(words.all ? [row.object?.metadata?.namespace ?? ""] : []),
    ...columns.map((c: Json) => String(row.cells[c.i] ?? "")),
  ]);
  return align([[...(words.all ? ["NAMESPACE"] : []), ...columns.map((c: Json) => c.name.toUpperCase())], ...rows]);
}

function align(rows: string[][]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] + 3)))
        .join("")
        .trimEnd(),
    )
    .join("\n");
}

async function describe(words: Words, kind: string, name: string): Promise<string> {
  const resource = await resourceNamed(kind);
  const object = await get(pathOf(resource, words.namespace, name));
  delete object.metadata?.managedFields;
  const events = await get(
    `/api/v1/namespaces/${encodeURIComponent(object.metadata?.namespace ?? "default")}/events?fieldSelector=${encodeURIComponent(`involvedObject.name=${name},involvedObject.kind=${resource.kind}`)}`,
  );
  const rows = (events.items ?? []).map((e: Json) => [e.type ?? "", e.reason ?? "", String(e.count ?? 1), e.message ?? e.note ?? ""]);
  return `${yaml(object)}\nEvents:\n${rows.length ? align([["TYPE", "REASON", "COUNT", "MESSAGE"], ...rows]) : "<none>"}`;
}

async function run(words: Words, said: (text: string) => void): Promise<string> {
  if (!words.command.length) throw new Error("exec what? Such as: exec POD -- printenv");
  if (["i", "t", "it", "ti", "stdin", "tty"].some((flag) => flag in words.flags || words.rest.includes(`-${flag}`)))
    throw new Error("there is no terminal here: without -i and -t, or with kubectl itself");
  const path = execPath(words.namespace, podOf(words), words.flags.c ?? words.flags.container ?? "", words.command);
  // What would be refused is asked for without a socket first: a browser does not tell why one was not opened.
  await get(path.replace(/\/exec\?.*$/, ""));
  const ran = await exec(path, connection.token, said);
  if (ran.code === undefined) throw new Error(ran.text);
  const text = ran.text.replace(/\n$/, "");
  return ran.code === 0 ? text || "(nothing was written)" : `${text}${text ? "\n" : ""}command terminated with exit code ${ran.code}`;
}

const podOf = (words: Words) => words.rest[0].replace(/^(pods?|po)\//, "");

async function logs(words: Words): Promise<string> {
  const pod = podOf(words);
  const query = new URLSearchParams();
  const container = words.flags.c ?? words.flags.container;
  if (container) query.set("container", container);
  if (words.flags.tail) query.set("tailLines", words.flags.tail);
  if (words.flags.previous) query.set("previous", "true");
  return (
    (await send({ method: "GET", path: `/api/v1/namespaces/${encodeURIComponent(words.namespace)}/pods/${encodeURIComponent(pod)}/log?${query}` })) ||
    "(nothing was written)"
  );
}
