// Applies the deltas of a document (`s` sets, `d` removes, `m` goes into, `v` replaces whole) with structural sharing: what a
// delta does not touch is the same JavaScript value before and after, so comparing two states of an object is cheap.

// biome-ignore lint/suspicious/noExplicitAny: states are whatever JSON a manifest holds
export type Json = any;

/** Sets a member, also one with a name that means something to JavaScript. */
export function put(target: Json, name: string, value: Json): void {
  if (name === "__proto__") Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
  else target[name] = value;
}

/** The later state. Never changes `old`. */
export function apply(old: Json, delta: Json): Json {
  if (delta === null || delta === undefined) return old;
  if ("v" in delta) return delta.v;
  const next = Array.isArray(old) ? old.slice() : { ...(old ?? {}) };
  if (delta.d) for (const name of delta.d) delete next[name];
  if (delta.s) for (const name of Object.keys(delta.s)) put(next, name, delta.s[name]);
  if (delta.m) for (const name of Object.keys(delta.m)) put(next, name, apply(next[name], delta.m[name]));
  return next;
}

/** The paths (JSON pointers) a delta speaks of, without looking at the states. */
export function touched(delta: Json, at = "", into: string[] = []): string[] {
  if (!delta) return into;
  if ("v" in delta) into.push(at);
  for (const name of Object.keys(delta.s ?? {})) into.push(`${at}/${toSegment(name)}`);
  for (const name of delta.d ?? []) into.push(`${at}/${toSegment(name)}`);
  for (const name of Object.keys(delta.m ?? {})) touched(delta.m[name], `${at}/${toSegment(name)}`, into);
  return into;
}

/** One segment of a JSON pointer. */
export function toSegment(name: string): string {
  return name.includes("~") || name.includes("/") ? name.replaceAll("~", "~0").replaceAll("/", "~1") : name;
}

export function fromSegment(segment: string): string {
  return segment.replaceAll("~1", "/").replaceAll("~0", "~");
}
