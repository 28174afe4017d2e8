// The model on recorded runs: what a person would check by reading the run's own trace.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { believed, cursor, watchOf } from "./belief";
import { blame, manager, writer } from "./blame";
import { because, chain, faultWords, words } from "./causes";
import { firstDifference, objectDifferences } from "./compare";
import { conditionSpans, eventsAbout } from "./conditions";
import { apply } from "./delta";
import { changeWords, diff, pathWords } from "./diff";
import { clock, span } from "./format";
import * as hpa from "./hpa";
import { lanes, laneOf } from "./lanes";
import { decode, encode, misfits } from "./link";
import { Cache, counts, nodes, trees } from "./owners";
import { pod } from "./pods";
import { amount, quantity } from "./quantity";
import { readText, Reader } from "./read";
import { backOffs, exits } from "./restarts";
import { rollout, share } from "./rollout";
import { Damaged, Run } from "./run";
import { numbers, partingOf } from "./milestones";
import * as scheduler from "./scheduler";
import { views } from "./service";
import { quantile, traffic } from "./traffic";
import { rootOf, shareOfRequest, sumPoints, usedAt, workloads } from "./usage";
import { lines, text as yaml } from "./yaml";

const runs = new Map<string, Run>();
function run(name: string): Run {
  let known = runs.get(name);
  if (!known) {
    known = readText(gunzipSync(readFileSync(new URL(`../../tests/data/${name}.view.json.gz`, import.meta.url))).toString());
    runs.set(name, known);
  }
  return known;
}
const key = (of: Run, id: string) => {
  const found = of.byId.get(id);
  if (found === undefined) throw new Error(`no ${id}`);
  return found;
};

describe("reading", () => {
  it("reads every recorded run whole", () => {
    for (const name of ["rollout", "crash", "hpa-scale-up", "unschedulable", "service-routing", "stale-cache"]) {
      const read = run(name);
      expect(read.complete).toBe(true);
      expect(read.steps.length).toBeGreaterThan(150);
      expect(read.verdicts.every((v) => v.held)).toBe(true);
      expect([...read.revisions].sort((a, b) => a - b)).toEqual(read.revisions);
    }
  });

  it("says in which line a document is damaged, and how", () => {
    const head = '{"format":"ksim-view/v1","name":"x","epoch":0}';
    const part = (more: object) => JSON.stringify({ from: 0, components: ["a"], keys: [], watches: [], steps: [], deliveries: [], ...more });
    expect(() => readText("")).toThrow("empty");
    expect(() => readText("{")).toThrow(/Line 1 is not JSON/);
    expect(() => readText('{"a":1}')).toThrow(/Line 1: this is no ksim-view\/v1 document/);
    expect(() => readText(`${head}\n${part({ steps: 3 })}`)).toThrow(/Line 2: the part has no list "steps"/);
    expect(() => readText(`${head}\n${part({ steps: [[0, 4, 0, "b"]] })}`)).toThrow(/Line 2: step 0 names component 4/);
    expect(() => readText(`${head}\n${part({ steps: [[0, 0, 7, "b"]] })}`)).toThrow(/later step, 7/);
    expect(() => readText(`${head}\n${part({ from: 9 })}`)).toThrow(/goes on from step 9, but 0/);
    expect(() => readText(head)).toThrow(Damaged);
  });

  it("grows part by part to the same run", () => {
    const whole = run("crash");
    const reader = new Reader();
    reader.take(JSON.stringify(whole.head));
    const keys = whole.keys.map((k) => [k.kind, k.apiVersion, k.namespace, k.name]);
    const watches = whole.watches.map((w) => [w.component, w.kind, w.filter]);
    for (let from = 0; from < whole.steps.length; from += 50) {
      const first = from === 0;
      reader.take(
        JSON.stringify({
          from,
          components: first ? whole.components : [],
          keys: first ? keys : [],
          watches: first ? watches : [],
          steps: whole.steps.slice(from, from + 50),
          deliveries: [],
        }),
      );
    }
    const grown = reader.done();
    const web = key(whole, "Deployment/default/fastapi-k8s");
    expect(grown.versions).toEqual(whole.versions);
    expect(whole.copy().part()).toEqual(whole.part());
    expect(grown.at(web, grown.last)).toEqual(whole.at(web, whole.last));
  });
});

describe("states", () => {
  it("applies a delta, sharing what it does not touch", () => {
    const old = { a: 1, b: { c: [1, { d: 2 }], e: 3 }, keep: { x: 1 } };
    const next = apply(old, { s: { f: 5 }, m: { b: { d: ["e"], m: { c: { m: { 1: { s: { d: 4 } } } } } } } });
    expect(next).toEqual({ a: 1, b: { c: [1, { d: 4 }] }, keep: { x: 1 }, f: 5 });
    expect(next.keep).toBe(old.keep);
    expect(old.b.e).toBe(3);
    expect(apply(old, null)).toBe(old);
    expect(apply(old, { v: [1] })).toEqual([1]);
  });

  it("never lets a manifest's member reach JavaScript's prototypes", () => {
    const next = apply({}, JSON.parse('{"s":{"__proto__":{"polluted":true}}}'));
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect(next.polluted).toBeUndefined();
  });

  it("knows an object at any step, in any order", () => {
    const r = run("rollout");
    const web = key(r, "Deployment/default/fastapi-k8s");
    expect(r.at(web, r.last).status.updatedReplicas).toBe(5);
    expect(r.at(web, 201).metadata.generation).toBe(1);
    expect(r.at(web, 202).metadata.generation).toBe(2);
    expect(r.at(web, 5)).toBeUndefined();
    const gone = r.keys.find((k) => k.kind === "Pod" && r.at(k.index, r.last) === undefined);
    expect(gone && r.at(gone.index, 201)).toBeDefined();
  });

  it("tells differences by path and in words", () => {
    const [before, after] = [
      { status: { conditions: [{ type: "Ready", status: "False" }] }, a: 1 },
      { status: { conditions: [{ type: "Ready", status: "True" }] }, b: 2 },
    ];
    const found = diff(before, after);
    expect(found.map((c) => changeWords(c, before, after)).sort()).toEqual([
      "a removed (was 1)",
      "b set to 2",
      "status.conditions[Ready].status: False → True",
    ]);
    expect(pathWords("/metadata/annotations/a.b~1c", {})).toBe('metadata.annotations["a.b/c"]');
  });
});

describe("causes", () => {
  it("leads from the second replica set back to the user's command", () => {
    const r = run("rollout");
    const made = r.versions[key(r, "ReplicaSet/default/fastapi-k8s-78775978d4")][0];
    const links = chain(r, made);
    expect(links.map((l) => r.componentOf(l.step))).toEqual(["kube-controller-manager", "deployment-controller", "kubectl-set", "user"]);
    expect(words(r, links[3].step)).toBe("kubectl set env deploy fastapi-k8s VERSION=v2 (line 10)");
  });

  it("leads from a restart through the exit to the request that crashed it, each step recorded", () => {
    const r = run("crash");
    const web = key(r, "Pod/default/fastapi-k8s-c6c4576d9-4km9z");
    const restarted = r.versions[web].find((s) => r.at(web, s)?.status?.containerStatuses?.[0]?.restartCount === 1) as number;
    const links = chain(r, restarted);
    const told = links.map((l) => words(r, l.step));
    expect(told[1]).toContain("Started");
    expect(told[2]).toContain("Created");
    expect(told[3]).toContain("Pulled");
    expect(told[4]).toContain("exited with code 1");
    expect(told[5]).toContain("asked fastapi-k8s-c6c4576d9-4km9z for /crash");
    expect(told[6]).toContain("POST /crash to pods");
    expect(links.slice(1).map((l) => l.how)).toEqual([
      "reports that",
      "because, on the node,",
      "because, on the node,",
      "because, on the node,",
      "because of the request",
      "asked for by",
    ]);
    expect(because(r, r.ofType.a[0])).toBeUndefined();
  });

  it("puts each step into a lane, writes into the store's", () => {
    const r = run("rollout");
    expect(laneOf(r, 202)).toBe("API server · etcd");
    expect(laneOf(r, 203)).toBe("deployment-controller");
    const all = lanes(r, false);
    expect(all[0].id).toBe("users");
    expect(all.reduce((sum, l) => sum + l.steps.length, 0)).toBe(r.steps.length);
    expect(all.find((l) => l.id === "kube-proxy")?.watches.length).toBe(2);
  });

  it("blames each field on who wrote it last", () => {
    const r = run("rollout");
    const web = key(r, "Deployment/default/fastapi-k8s");
    const found = blame(r, web, r.versionAt(web, 300));
    expect(manager(r, writer(found, "/spec/replicas"))).toBe("kubectl-client-side-apply");
    expect(writer(found, "/spec/template/spec/containers/0/env")).toBeLessThan(202);
    const last = r.at(web, 300).spec.template.spec.containers[0].env.length - 1;
    expect(manager(r, writer(found, `/spec/template/spec/containers/0/env/${last}`))).toBe("kubectl-set");
    expect(manager(r, writer(found, "/status/replicas"))).toBe("deployment-controller");
    // Going back gives the earlier blame again.
    expect(writer(blame(r, web, 0), "/metadata/name")).toBe(r.versions[web][0]);
  });
});

describe("caches", () => {
  it("shows a held watch falling behind, and what the controller believes meanwhile", () => {
    const r = run("stale-cache");
    const watch = watchOf(r, "kube-controller-manager", "Pod");
    const at = r.stepAtTime(34e6);
    if (!watch) throw new Error("no watch");
    const where = cursor(r, watch, at);
    expect(where.behind).toBeGreaterThan(0);
    expect(r.steps[where.missing as number][5]).toBeGreaterThan(where.revision);
    const pods = believed(r, "kube-controller-manager", "Pod", at);
    const deleting = r.present("Pod", at).filter((k) => r.at(k, at).metadata.deletionTimestamp).length;
    const believesDeleting = [...(pods ?? [])].filter(([k, v]) => r.state(k, v).metadata.deletionTimestamp).length;
    expect(deleting + (pods?.size ?? 0)).toBeGreaterThan(0);
    expect(believesDeleting).toBe(0);
    expect(cursor(r, watch, r.last).behind).toBe(0);
  });

  it("counts wanted, there, ready and believed along the owner tree", () => {
    const r = run("rollout");
    const step = 245;
    const [tree] = trees(r, step);
    const cache = new Cache(r, step);
    expect(r.keys[tree.key].kind).toBe("Deployment");
    expect(counts(r, tree, step, cache)).toEqual({ desired: 5, actual: 6, ready: 6, believed: 6 });
    expect(tree.children.map((c) => counts(r, c, step, cache).desired).sort()).toEqual([1, 4]);
    expect(nodes(r, step)[0].pods.length).toBe(6);
  });

  it("tells each reader's view of a Service", () => {
    const r = run("crash");
    const service = key(r, "Service/default/fastapi-k8s");
    const down = r.stepAtTime(51_400_000);
    const found = views(r, service, down);
    expect(found.stored.filter((e) => e.ready).length).toBe(4);
    expect(found.views.map((v) => v.reader).sort()).toEqual(["coredns", "kube-proxy on docker-desktop"]);
    const written = r.keys.find((k) => k.kind === "EndpointSlice")?.index as number;
    const justAt = r.versions[written].find((s) => r.time[s] > 30e6) as number;
    expect(views(r, service, justAt).views.every((v) => !v.current)).toBe(true);
  });
});

describe("panels", () => {
  it("does the rollout's arithmetic and says what it waits for", () => {
    const r = run("rollout");
    const web = key(r, "Deployment/default/fastapi-k8s");
    const waiting = rollout(r, web, 235);
    expect(waiting).toMatchObject({ replicas: 5, surge: 1, unavailable: 0, most: 6, fewest: 5, mayMake: 0, mayGo: 0, done: false });
    expect(waiting?.waits[0].text).toMatch(/fastapi-k8s-78775978d4-xt2bz is not ready: .*readiness probe.*first after 2 s/);
    expect(rollout(r, web, 241)).toMatchObject({ mayGo: 1, waits: [] });
    expect(rollout(r, web, r.last)).toMatchObject({ done: true, updated: 5 });
    expect([share("25%", 5, true), share("25%", 5, false), share(2, 5, true)]).toEqual([2, 1, 2]);
  });

  it("shows the autoscaler's formula at the moment of its decision", () => {
    const r = run("hpa-scale-up");
    const auto = key(r, "HorizontalPodAutoscaler/default/fastapi-k8s-hpa");
    const at = hpa.decision(r, auto, 456);
    expect(at).toMatchObject({ current: 2, wants: 14, result: 4 });
    expect(at?.metrics[0]).toMatchObject({ measured: 348, target: 50, wants: 14 });
    expect(at?.limits.find((l) => l.bites)?.rule).toContain("max(2 × current, 4)");
    expect(hpa.history(r, auto).some((p) => p.measured === 378 && p.replicas === 4)).toBe(true);
  });

  it("tells the filters and scores of each node, and where the choice was chance", () => {
    const r = run("drain");
    const table = scheduler.decision(r, key(r, "Pod/default/fastapi-k8s-c6c4576d9-gsmps"), r.last);
    expect(table).toMatchObject({ chosen: "node-1", examined: 3, total: 3, attempt: 1, ties: [] });
    const of = (node: string) => table?.rows.find((row) => row.node === node);
    expect(of("node-1")).toMatchObject({ plugin: null, chosen: true, total: 100 * 3 + 97 + 100 * 2 + 74 });
    expect(of("node-3")).toMatchObject({ plugin: null, chosen: false, total: 100 * 3 + 96 + 85 * 2 + 75 });
    expect(of("node-2")).toMatchObject({ plugin: "NodeUnschedulable", reasons: ["node(s) were unschedulable"], scores: [], fit: ["kubectl uncordon node-2"] });
    const first = scheduler.decision(r, key(r, "Pod/default/fastapi-k8s-c6c4576d9-9fkp7"), r.last);
    expect([first?.chosen, first?.ties]).toEqual(["node-3", ["node-1"]]);
  });

  it("knows what pods use, alone and together, and as an autoscaler tries to measure it", () => {
    const r = run("hpa-scale-up");
    const pods = workloads(r).get("Deployment/default/fastapi-k8s") ?? [];
    expect(pods.length).toBeGreaterThan(9);
    expect(rootOf(r, pods[0])).toBe("Deployment/default/fastapi-k8s");
    const two = pods.filter((pod) => usedAt(r, pod, 70e6) !== undefined);
    expect(two.map((pod) => usedAt(r, pod, 70e6)?.cpu)).toEqual([200, 200]);
    expect(usedAt(r, pods[0], -1)).toBeUndefined();
    const together = sumPoints(r, pods, "cpu");
    expect(together.findLast(([time]) => time <= 70e6)?.[1]).toBe(400);
    expect(together.map(([time]) => time)).toEqual([...new Set(together.map(([time]) => time))].sort((a, b) => a - b));
    // Limits are four times what is asked for, so at its limit a pod uses 400% of it: the autoscaler measured less, and later.
    const share = shareOfRequest(r, "Deployment/default/fastapi-k8s");
    expect(share.findLast(([time]) => time <= 70e6)?.[1]).toBe(400);
    // A document that does not tell has no lines, and what a file tells comes back from what is written.
    expect(workloads(run("crash")).size).toBe(0);
    const again = new Run(r.head);
    again.add(r.part());
    expect(again.usage).toEqual(r.usage);
  });

  it("says what would make a pending pod fit", () => {
    const r = run("unschedulable");
    const pending = r.ofType.s.find((s) => r.steps[s][4].chosen === null) as number;
    const table = scheduler.decision(r, r.keyOfStep[pending], pending);
    expect(table?.rows[0]).toMatchObject({ node: "docker-desktop", plugin: "NodeResourcesFit", reasons: ["Insufficient cpu"] });
    expect(table?.rows[0].fit[0]).toMatch(/^asks for \S+ cpu, \S+ of \S+ is free: \S+ less asked for/);
    expect(pod(r.at(r.keyOfStep[pending], pending + 10))).toMatchObject({ status: "Pending", mood: "bad" });
  });

  it("lists exits with their cause, and the back-off that runs", () => {
    const r = run("crash");
    const web = key(r, "Pod/default/fastapi-k8s-c6c4576d9-4km9z");
    const found = exits(r, web, r.last);
    expect(found.length).toBe(2);
    expect(words(r, found[0].root)).toContain("POST /crash");
    expect(found[0].again).toBeDefined();
    const [timer] = backOffs(r, web, r.stepAtTime(55e6));
    expect(timer).toMatchObject({ container: "fastapi-k8s", length: 10e6 });
    expect(timer.until - timer.from).toBe(10e6);
    expect(backOffs(r, web, r.last)).toEqual([]);
  });

  it("knows conditions over time and the events of an object", () => {
    const r = run("crash");
    const web = key(r, "Pod/default/fastapi-k8s-c6c4576d9-4km9z");
    const ready = conditionSpans(r, web).get("Ready") ?? [];
    expect(ready.map((s) => s.status)).toEqual(["False", "True", "False", "True", "False", "True"]);
    for (let i = 1; i < ready.length; i++) expect(ready[i].from).toBe(ready[i - 1].to);
    expect(eventsAbout(r, web, r.last).some((e) => e.state.reason === "BackOff")).toBe(true);
    expect(eventsAbout(r, web, 40).length).toBeLessThan(eventsAbout(r, web, r.last).length);
  });

  it("bins traffic and counts failures by reason", () => {
    const r = run("service-routing");
    const all = traffic(r, r.last);
    expect(all?.total).toBe(r.ofType.h.length);
    expect(all?.bins.reduce((sum, b) => sum + b.ok + b.failed, 0)).toBe(all?.total);
    expect(all?.failed).toBe(all?.reasons.reduce((sum, x) => sum + x.count, 0));
    expect(traffic(run("rollout"), 10)).toBeUndefined();
    expect(quantile([5, 1, 3], 0.5)).toBe(3);
  });
});

describe("comparison and links", () => {
  it("finds the first difference of two rollouts: the applied manifest", () => {
    const [a, b] = [run("rollout"), run("rollout-unavailable-1")];
    const found = firstDifference(a, b);
    expect(found?.text).toContain("maxUnavailable: 0 → 1");
    expect(firstDifference(a, a)).toBeUndefined();
    const later = objectDifferences(a, a.stepAtTime(31e6), b, b.stepAtTime(31e6));
    expect(later.some((d) => d.kind === "Pod" && d.text === "only on the left")).toBe(true);
  });

  it("finds what first comes of it in the pods, and the numbers of both", () => {
    const [a, b] = [run("rollout"), run("rollout-unavailable-1")];
    const from = firstDifference(a, b)?.step ?? -1;
    const parting = partingOf(a, b, from);
    expect(parting?.left?.text).toBe("a pod of ReplicaSet fastapi-k8s-78775978d4 is ready");
    expect(parting?.right?.text).toBe("a pod of ReplicaSet fastapi-k8s-c6c4576d9 is told to go");
    expect(a.keyOfStep[parting?.left?.step ?? -1]).toBe(parting?.left?.pod);
    expect(partingOf(a, a, from)).toBeUndefined();
    const rolling = a.stepAtTime(29e6);
    const row = numbers(a, a.last, b, b.last, rolling).find((r) => r.id === "Deployment/default/fastapi-k8s");
    expect(row?.left).toEqual({ wanted: 5, available: 5, fewest: 5, most: 6 });
    expect(row?.right).toEqual({ wanted: 5, available: 5, fewest: 4, most: 6 });
    expect(numbers(a, a.last, b, b.last, rolling).every((r) => r.kind !== "ReplicaSet")).toBe(true);
  });

  it("writes and reads links, and says what does not fit", () => {
    const place = { run: "rollout", branch: "a b", step: 245, object: "Pod/default/x", view: "timeline" as const };
    expect(decode(encode(place))).toEqual({ place, wrong: [] });
    expect(decode("#step=x&view=nowhere&%E0=1").wrong.length).toBe(3);
    expect(misfits({ run: "other", step: 9999, object: "Pod/default/none" }, run("rollout")).length).toBe(3);
  });
});

describe("words", () => {
  it("tells a partition in words", () => {
    expect(faultWords('Partition { node: "node-2", is_cut: true }')).toBe("node-2 is cut off from the API server");
    expect(faultWords('Partition { node: "node-2", is_cut: false }')).toBe("node-2 is joined to the API server again");
    expect(faultWords("Stop { process: KubeScheduler }")).toBe("Stop (process: Kube scheduler)");
  });

  it("writes times and spans", () => {
    expect([clock(36_612_000), clock(-30e6), clock(61_200_000), clock(3_661_000_000)]).toEqual(["36.612 s", "−30.000 s", "1:01.200", "1:01:01.000"]);
    expect([span(850), span(12_000), span(3_400_000), span(125e6)]).toEqual(["850 µs", "12 ms", "3.4 s", "2 min 5 s"]);
  });

  it("reads quantities", () => {
    expect([quantity("250m"), quantity("64Mi"), quantity("1.5"), quantity("1e3"), quantity("x"), quantity(2)]).toEqual([
      0.25,
      67108864,
      1.5,
      1000,
      undefined,
      2,
    ]);
    expect([amount("cpu", 0.25), amount("cpu", 4), amount("memory", 67108864)]).toEqual(["250m", "4", "64Mi"]);
  });

  it("writes YAML that says what it means, with a path for each line", () => {
    const value = { a: "yes", b: ["x", { c: "1", d: [] }], e: { f: "two\nlines\n" }, g: null, on: true, h: "0644", i: "a: b" };
    expect(yaml(value)).toBe('a: "yes"\nb:\n- x\n- c: "1"\n  d: []\ne:\n  f: |\n    two\n    lines\ng: null\nh: "0644"\ni: "a: b"\n"on": true\n');
    expect(lines(value).find((l) => l.key === "c")?.path).toBe("/b/1/c");
  });
});
