// A Service's endpoints, and what each reader of them (a node's kube-proxy, the DNS server) knows at a moment.

import { revisionKnown } from "./belief";
import type { Json } from "./delta";
import { same } from "./diff";
import type { Run } from "./run";

export interface Endpoint {
  address: string;
  pod: string;
  podKey: number;
  node: string;
  ready: boolean;
  serving: boolean;
  terminating: boolean;
}

export interface View {
  reader: string;
  revision: number;
  endpoints: Endpoint[];
  /** Whether it is what the store holds. */
  current: boolean;
}

export function slices(run: Run, key: number, step: number): number[] {
  const { namespace, name } = run.keys[key];
  return (run.byKind.get("EndpointSlice") ?? []).filter((slice) => {
    if (run.keys[slice].namespace !== namespace) return false;
    const state = run.at(slice, step) ?? run.state(slice, 0);
    return state?.metadata?.labels?.["kubernetes.io/service-name"] === name;
  });
}

export function endpoints(run: Run, states: Json[]): Endpoint[] {
  return states
    .flatMap((state) => state?.endpoints ?? [])
    .map((end: Json) => ({
      address: (end.addresses ?? [])[0] ?? "",
      pod: end.targetRef?.name ?? "",
      podKey: run.byId.get(`Pod/${end.targetRef?.namespace ?? ""}/${end.targetRef?.name ?? ""}`) ?? -1,
      node: end.nodeName ?? "",
      ready: end.conditions?.ready ?? true,
      serving: end.conditions?.serving ?? true,
      terminating: end.conditions?.terminating ?? false,
    }))
    .sort((a, b) => a.pod.localeCompare(b.pod));
}

/** The endpoints in the store, and as each reader of EndpointSlices knows them. */
export function views(run: Run, key: number, step: number): { stored: Endpoint[]; views: View[] } {
  const keys = slices(run, key, step);
  const stored = endpoints(
    run,
    keys.map((slice) => run.at(slice, step)),
  );
  const readers = run.watches.filter((watch) => watch.kind === "EndpointSlice" && !watch.component.includes("controller"));
  const nodes = run.present("Node", step).map((node) => run.keys[node].name);
  const found: View[] = [];
  for (const watch of readers) {
    const revision = revisionKnown(watch, run.time[step]);
    const known = endpoints(
      run,
      keys.map((slice) => run.state(slice, run.versionAtRevision(slice, revision))),
    );
    const view = { revision, endpoints: known, current: same(known, stored) };
    if (watch.component === "kube-proxy") for (const node of nodes) found.push({ reader: `kube-proxy on ${node}`, ...view });
    else found.push({ reader: watch.component, ...view });
  }
  return { stored, views: found };
}
