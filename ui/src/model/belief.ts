// What a component's cache holds at a moment: its watches, the revision each was told last, and the objects at that revision.

import { lastAtMost, type Run, type Watch } from "./run";

export interface Cursor {
  watch: Watch;
  /** The revision it was told last; 0 for never. */
  revision: number;
  /** Changes of its kind (and filter) in the store that it was not told of yet. */
  behind: number;
  /** When it was told last, microseconds. */
  told: number | undefined;
  /** The first step it does not know of. */
  missing: number | undefined;
}

/** The revision a watch's owner knows at a time. */
export function revisionKnown(watch: Watch, time: number): number {
  const at = lastAtMost(watch.times, time);
  return at < 0 ? 0 : watch.revisions[at];
}

/** Where a watch stands at a step. */
export function cursor(run: Run, watch: Watch, step: number): Cursor {
  const time = run.time[step];
  const at = lastAtMost(watch.times, time);
  const revision = at < 0 ? 0 : watch.revisions[at];
  const missed = at < 0 ? [] : missing(run, watch, revision, step);
  return { watch, revision, behind: missed.length, told: at < 0 ? undefined : watch.times[at], missing: missed[0] };
}

function missing(run: Run, watch: Watch, revision: number, step: number): number[] {
  const found: number[] = [];
  for (let at = lastAtMost(run.revisions, revision) + 1; at < run.revisions.length && run.revisionSteps[at] <= step; at++) {
    if (concerns(run, watch, run.revisionSteps[at])) found.push(run.revisionSteps[at]);
  }
  return found;
}

function concerns(run: Run, watch: Watch, step: number): boolean {
  const key = run.keys[run.keyOfStep[step]];
  if (key.kind !== watch.kind) return false;
  if (!watch.filter) return true;
  if (key.kind === "Node") return key.name === watch.filter;
  const version = run.versionAt(key.index, step);
  const state = run.state(key.index, version) ?? run.state(key.index, version - 1);
  return state?.spec?.nodeName === watch.filter;
}

/** The watch by which a component knows a kind. */
export function watchOf(run: Run, component: string, kind: string): Watch | undefined {
  return run.watches.find((watch) => watch.component === component && watch.kind === kind);
}

/** The objects of a kind in a component's cache, as key → version. `undefined` when it does not watch the kind. */
export function believed(run: Run, component: string, kind: string, step: number): Map<number, number> | undefined {
  const watch = watchOf(run, component, kind);
  if (!watch) return undefined;
  const revision = revisionKnown(watch, run.time[step]);
  const found = new Map<number, number>();
  if (revision === 0) return found;
  for (const key of run.byKind.get(kind) ?? []) {
    const version = run.versionAtRevision(key, revision);
    if (version >= 0 && run.state(key, version) !== undefined) found.set(key, version);
  }
  return found;
}

/** All cursors, the furthest behind first. */
export function cursors(run: Run, step: number): Cursor[] {
  const all = run.watches.map((watch) => cursor(run, watch, step));
  return all.sort((a, b) => b.behind - a.behind || a.watch.component.localeCompare(b.watch.component) || a.watch.kind.localeCompare(b.watch.kind));
}
