// What the page's address holds: the scenario, the branch, the moment, the selection and the view, so that it can be sent. A link
// only says what to look at; it never acts on a cluster. What does not fit is told, and the rest is still followed.

import type { Run } from "./run";

export const VIEWS = ["overview", "timeline", "inspector", "traffic", "etcd", "compare", "do"] as const;
export type View = (typeof VIEWS)[number];

export interface Place {
  run?: string;
  branch?: string;
  step?: number;
  object?: string;
  view?: View;
}

/** The part of the address after `#`. */
export function encode(place: Place): string {
  const parts: string[] = [];
  const say = (name: string, value: string | number | undefined) => {
    if (value !== undefined && value !== "") parts.push(`${name}=${encodeURIComponent(value).replaceAll("%2F", "/").replaceAll("%3A", ":")}`);
  };
  say("run", place.run);
  say("branch", place.branch);
  say("step", place.step);
  say("object", place.object);
  say("view", place.view);
  return `#${parts.join("&")}`;
}

/** Reads an address; what is not understood is told in `wrong`. */
export function decode(hash: string): { place: Place; wrong: string[] } {
  const [place, wrong]: [Place, string[]] = [{}, []];
  for (const part of hash.replace(/^#/, "").split("&").filter(Boolean)) {
    const at = part.indexOf("=");
    const name = at < 0 ? part : part.slice(0, at);
    let value: string;
    try {
      value = decodeURIComponent(at < 0 ? "" : part.slice(at + 1));
    } catch {
      wrong.push(`“${part}” is not written as an address is`);
      continue;
    }
    if (name === "run" || name === "branch" || name === "object") place[name] = value;
    else if (name === "step") {
      if (/^\d{1,9}$/.test(value)) place.step = Number(value);
      else wrong.push(`the step “${value}” is no number`);
    } else if (name === "view") {
      if ((VIEWS as readonly string[]).includes(value)) place.view = value as View;
      else wrong.push(`there is no view “${value}”: ${VIEWS.join(", ")}`);
    } else if (name !== "token") wrong.push(`“${name}” means nothing here`);
  }
  return { place, wrong };
}

/** What of a place is not in a run. */
export function misfits(place: Place, run: Run): string[] {
  const wrong: string[] = [];
  if (place.run !== undefined && place.run !== run.head.name) wrong.push(`the link is about the run “${place.run}”, this is “${run.head.name}”`);
  if (place.step !== undefined && place.step > run.last)
    wrong.push(`the link points at step ${place.step}, this run has ${run.steps.length} (the last one is shown)`);
  if (place.object !== undefined && !run.byId.has(place.object)) wrong.push(`there is no ${place.object} in this run`);
  return wrong;
}
