// The timeline's lanes: one per component, writes in the store's lane, in the order in which a request travels.

import type { Run, Watch } from "./run";

export interface Lane {
  id: string;
  label: string;
  steps: number[];
  /** Lanes of readers that leave no steps: what their watches were told. */
  watches: Watch[];
  /** A folded lane of many stands for these. */
  folds: string[];
}

const STORE = "API server · etcd";
const ORDER = ["users", "traffic", "faults", STORE];
const FOLD_FROM = 5;

/** The lane a step is in. */
export function laneOf(run: Run, step: number): string {
  switch (run.typeOf(step)) {
    case "a":
    case "d":
      return "users";
    case "h":
      return "traffic";
    case "f":
      return "faults";
    case "c":
    case "x":
    case "b":
      return STORE;
    default:
      return run.componentOf(step);
  }
}

/** All lanes, kubelets folded into one when there are many and they are not `open`. */
export function lanes(run: Run, open: boolean, keep?: (step: number) => boolean): Lane[] {
  const found = new Map<string, Lane>();
  const lane = (id: string) => {
    let known = found.get(id);
    if (!known) found.set(id, (known = { id, label: id, steps: [], watches: [], folds: [] }));
    return known;
  };
  const kubelets = run.components.filter((c) => c.startsWith("kubelet/"));
  const folded = kubelets.length >= FOLD_FROM && !open;
  const name = (id: string) => (folded && id.startsWith("kubelet/") ? "kubelets" : id);
  for (const id of ORDER) lane(id);
  for (let step = 0; step < run.steps.length; step++) {
    const id = name(laneOf(run, step));
    const known = lane(id);
    if (!keep || keep(step)) known.steps.push(step);
  }
  for (const watch of run.watches) if (/^(kube-proxy|coredns)/.test(watch.component)) lane(watch.component).watches.push(watch);
  const all = found.get("kubelets");
  if (all) Object.assign(all, { label: `${kubelets.length} kubelets`, folds: kubelets });
  const shown = [...found.values()].filter((l) => l.id === STORE || l.steps.length > 0 || l.watches.length > 0 || keep !== undefined);
  return shown.sort((a, b) => rank(a.id) - rank(b.id) || a.id.localeCompare(b.id, "en", { numeric: true }));
}

function rank(id: string): number {
  const at = ORDER.indexOf(id);
  if (at >= 0) return at;
  if (id === "kube-scheduler") return 20;
  if (id.startsWith("kubelet")) return 30;
  if (id.startsWith("kube-proxy") || id === "coredns") return 40;
  return 10;
}

/** Whether a step has a text in its object, component or words, without building any state. */
export function mentions(run: Run, step: number, text: string): boolean {
  const key = run.keyOfStep[step];
  if (key >= 0 && run.keys[key].id.toLowerCase().includes(text)) return true;
  if (run.componentOf(step).toLowerCase().includes(text)) return true;
  const [, , , type, a, b, c, , d] = run.steps[step];
  const said = type === "c" ? d : type === "s" ? `${a.pod} ${a.message}` : `${a} ${b} ${c} ${d}`;
  return String(said).toLowerCase().includes(text);
}
