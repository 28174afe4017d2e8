// A run as the page holds it: the steps as they came, and plain arrays beside them by which everything else is found without
// walking all steps. Nothing here is reactive; whoever shows a run that grows counts its growth (`Run.parts`).

import { apply, type Json } from "./delta";

export type StepType = "b" | "a" | "d" | "c" | "x" | "r" | "s" | "n" | "h" | "f" | "t";

export interface Key {
  index: number;
  kind: string;
  apiVersion: string;
  namespace: string;
  name: string;
  /** `Kind/namespace/name`, what links hold. */
  id: string;
}

export interface Watch {
  index: number;
  component: string;
  kind: string;
  filter: string;
  /** What it was told, in order: microseconds and revisions. */
  times: number[];
  revisions: number[];
}

/** What a pod's containers used, in order of time: CPU in thousandths of a core since the reading before, memory in bytes. */
export interface Usage {
  times: number[];
  cpu: number[];
  memory: number[];
}

export interface Verdict {
  name: string;
  held: boolean;
  line: number;
  detail: string;
  step: number;
}

export interface Head {
  format: string;
  name: string;
  about: string;
  seed: number;
  server: string;
  /** Milliseconds of Unix time where the times of steps count from. */
  epoch: number;
  profile: string;
}

export const enum Change {
  Added = 0,
  Changed = 1,
  Removed = 2,
}

/** Something in a document is not as the format says; `where` says at which line, part or step. */
export class Damaged extends Error {}

export class Run {
  head: Head;
  components: string[] = [];
  keys: Key[] = [];
  watches: Watch[] = [];
  steps: Json[][] = [];
  verdicts: Verdict[] = [];
  /** The last moment that was simulated, microseconds; past the last step. */
  end = 0;
  /** Whether the document came to its end line. */
  complete = false;
  /** How many parts were added: what a view of a growing run depends on. */
  parts = 0;

  time: number[] = [];
  /** The key a step is about, or -1. */
  keyOfStep: number[] = [];
  /** Per key: the steps that changed it; the steps that speak of it. */
  versions: number[][] = [];
  about: number[][] = [];
  byKind = new Map<string, number[]>();
  byId = new Map<string, number>();
  podByName = new Map<string, number>();
  /** `Kind/namespace/name` of an object → the keys of its Events. */
  eventsOf = new Map<string, number[]>();
  /** Changes in the order of their revisions. */
  revisions: number[] = [];
  revisionSteps: number[] = [];
  /** Per pod, as a key: what it used. Empty in documents that do not tell. */
  usage = new Map<number, Usage>();
  /** Steps by type, for those that are asked for. */
  ofType: Record<string, number[]> = {};
  private states: (Json | undefined)[][] = [];
  private children: { first: number[]; next: number[]; last: number[] } = { first: [], next: [], last: [] };

  constructor(head: Head) {
    this.head = head;
  }

  /** All of it as one part of a document. */
  part(): Json {
    const deliveries = this.watches.flatMap((watch) => watch.times.map((time, i) => [time, watch.index, watch.revisions[i]]));
    return {
      from: 0,
      components: this.components,
      keys: this.keys.map((key) => [key.kind, key.apiVersion, key.namespace, key.name]),
      watches: this.watches.map((watch) => [watch.component, watch.kind, watch.filter]),
      steps: this.steps,
      deliveries: deliveries.sort((a, b) => a[0] - b[0] || a[2] - b[2]),
      usage: [...this.usage].flatMap(([key, u]) => u.times.map((time, i) => [time, key, u.cpu[i], u.memory[i]])).sort((a, b) => a[0] - b[0] || a[1] - b[1]),
    };
  }

  /** The run as it is now, which does not grow with this one. */
  copy(): Run {
    const copy = new Run(this.head);
    copy.add(this.part());
    copy.end = this.end;
    return copy;
  }

  /** Adds a part of the document. Throws `Damaged` and changes nothing that is shown when it does not fit. */
  add(part: Json): void {
    for (const list of ["components", "keys", "watches", "steps", "deliveries"]) {
      if (!Array.isArray(part[list])) throw new Damaged(`the part has no list "${list}"`);
    }
    if (typeof part.from === "number" && part.from !== this.steps.length) {
      throw new Damaged(`the part goes on from step ${part.from}, but ${this.steps.length} steps came before it`);
    }
    this.components.push(...part.components);
    for (const key of part.keys) this.addKey(key);
    for (const [component, kind, filter] of part.watches) {
      this.watches.push({ index: this.watches.length, component, kind, filter, times: [], revisions: [] });
    }
    for (const step of part.steps) this.addStep(step);
    for (const delivery of part.deliveries) {
      const owner = this.watches[delivery[1]];
      if (!owner) throw new Damaged(`a delivery names watch ${delivery[1]}, there are ${this.watches.length}`);
      owner.times.push(delivery[0]);
      owner.revisions.push(delivery[2]);
    }
    for (const reading of part.usage ?? []) this.addReading(reading);
    this.end = Math.max(this.end, this.time[this.time.length - 1] ?? 0);
    this.parts += 1;
  }

  private addReading([time, key, cpu, memory]: number[]): void {
    if (!(key in this.keys)) throw new Damaged(`a reading names object ${key}, there are ${this.keys.length}`);
    let known = this.usage.get(key);
    if (!known) this.usage.set(key, (known = { times: [], cpu: [], memory: [] }));
    known.times.push(time);
    known.cpu.push(cpu);
    known.memory.push(memory);
  }

  private addKey([kind, apiVersion, namespace, name]: string[]): void {
    const index = this.keys.length;
    const id = `${kind}/${namespace}/${name}`;
    this.keys.push({ index, kind, apiVersion, namespace, name, id });
    this.versions.push([]);
    this.about.push([]);
    this.states.push([]);
    this.byId.set(id, index);
    const same = this.byKind.get(kind);
    if (same) same.push(index);
    else this.byKind.set(kind, [index]);
    if (kind === "Pod") this.podByName.set(name, index);
  }

  private addStep(step: Json[]): void {
    const at = this.steps.length;
    if (!Array.isArray(step) || step.length < 4) throw new Damaged(`step ${at} is not a list of a time, a component, a cause and a type`);
    // By position: this runs for every step of a large document.
    const time: number = step[0];
    const component: number = step[1];
    const cause: number = step[2];
    const type: string = step[3];
    if (component >= this.components.length) throw new Damaged(`step ${at} names component ${component}, there are ${this.components.length}`);
    if (cause > at) throw new Damaged(`step ${at} names a later step, ${cause}, as its cause`);
    const key = this.subject(type, step, at);
    this.steps.push(step);
    this.time.push(time);
    this.keyOfStep.push(key);
    if (key >= 0) this.about[key].push(at);
    if (type === "c") this.addChange(step, at, key);
    if (type !== "c") (this.ofType[type] ??= []).push(at);
    this.link(cause, at);
  }

  private subject(type: string, step: Json[], at: number): number {
    if (type === "c" || type === "r" || type === "n" || type === "t") {
      if (step[4] >= this.keys.length) throw new Damaged(`step ${at} names object ${step[4]}, there are ${this.keys.length}`);
      return step[4];
    }
    if (type === "s") return this.byId.get(`Pod/${step[4].pod}`) ?? -1;
    if (type === "h") return this.podByName.get(step[5]) ?? -1;
    return -1;
  }

  private addChange(step: Json[], at: number, key: number): void {
    this.versions[key].push(at);
    this.revisions.push(step[5]);
    this.revisionSteps.push(at);
    const involved = step[6] === Change.Added && this.keys[key].kind === "Event" ? step[7]?.involvedObject : undefined;
    if (!involved) return;
    const id = `${involved.kind}/${involved.namespace ?? ""}/${involved.name}`;
    const known = this.eventsOf.get(id);
    if (!known) this.eventsOf.set(id, [key]);
    else if (!known.includes(key)) known.push(key);
  }

  private link(cause: number, at: number): void {
    const { first, next, last } = this.children;
    first.push(-1);
    next.push(-1);
    last.push(-1);
    if (cause === at) return;
    if (first[cause] < 0) first[cause] = at;
    else next[last[cause]] = at;
    last[cause] = at;
  }

  /** The steps that a step caused, in order. */
  effects(step: number, most = 1000): number[] {
    const found: number[] = [];
    for (let at = this.children.first[step] ?? -1; at >= 0 && found.length < most; at = this.children.next[at]) found.push(at);
    return found;
  }

  typeOf(step: number): StepType {
    return this.steps[step][3];
  }

  causeOf(step: number): number {
    return this.steps[step][2];
  }

  componentOf(step: number): string {
    return this.components[this.steps[step][1]];
  }

  /** Which version of a key is there at a step: a position in `versions[key]`, -1 for none yet. */
  versionAt(key: number, step: number): number {
    return lastAtMost(this.versions[key], step);
  }

  /** The object at a step; `undefined` before it is made and after it is gone. */
  at(key: number, step: number): Json | undefined {
    return this.state(key, this.versionAt(key, step));
  }

  /** The object in one of its versions. Built once, shared ever after. */
  state(key: number, version: number): Json | undefined {
    if (version < 0) return undefined;
    const known = this.states[key];
    if (version < known.length) return known[version];
    for (let v = known.length; v <= version; v++) {
      const step = this.steps[this.versions[key][v]];
      const before = v > 0 ? known[v - 1] : undefined;
      if (step[6] === Change.Removed) known.push(undefined);
      else if (step[6] === Change.Added) known.push(step[7]);
      else known.push(apply(before, step[7]));
    }
    return known[version];
  }

  /** The version a reader who knows the store up to a revision sees. */
  versionAtRevision(key: number, revision: number): number {
    const versions = this.versions[key];
    let [low, high] = [0, versions.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.steps[versions[middle]][5] <= revision) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** The last step at or before a time; 0 when there is none. */
  stepAtTime(time: number): number {
    return Math.max(0, lastAtMost(this.time, time));
  }

  /** The store's revision at a step. */
  revisionAt(step: number): number {
    const at = lastAtMost(this.revisionSteps, step);
    return at < 0 ? 0 : this.revisions[at];
  }

  /** The objects of a kind that are there at a step, as keys. */
  present(kind: string, step: number): number[] {
    return (this.byKind.get(kind) ?? []).filter((key) => this.at(key, step) !== undefined);
  }

  get last(): number {
    return this.steps.length - 1;
  }
}

/** The position of the last value that is at most `limit` in an ascending list; -1 for none. */
export function lastAtMost(values: ArrayLike<number>, limit: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
