// The three named stories, told in the page by someone who clicks.

import { afterAll, expect, it } from "vitest";
import { close, open, read, SHOTS, violationsOf, visit } from "./page";

afterAll(close);

it("crash: the cause of a restart is found in three clicks", async () => {
  const { page, done } = await open("crash");
  await page.keyboard.press("End");
  // One: the pod that shows it was restarted.
  await page.getByRole("button", { name: /4km9z: Running/ }).click();
  expect(await read(page, "Restarts")).toContain("exited with code 1");
  // Two: the first exit.
  await page.getByRole("region", { name: "Restarts" }).getByRole("button", { name: "30.291 s" }).click();
  expect(await page.locator(".moment").innerText()).toContain("container fastapi-k8s exited with code 1");
  // Three: its cause.
  await page.locator(".moment .why").click();
  expect(await page.locator(".moment").innerText()).toContain("client asked fastapi-k8s-c6c4576d9-4km9z for /crash");
  expect(await read(page, "Why")).toContain("POST /crash to pods (line 9)");
  expect(await page.getByText("Not recorded as the cause").count()).toBe(0);
  await done();
});

it("crash: the back-off timer says when the container starts again", async () => {
  const { page, done } = await open("crash", "#step=440&object=Pod/default/fastapi-k8s-c6c4576d9-4km9z");
  expect(await read(page, "Back-off")).toContain("Waits 10 s before it is started again: due in 7.33 s, at 1:00.288.");
  await done();
});

it("rollout: stepping through one surge shows why it waits, and when it goes on", async () => {
  const { page, done } = await open("rollout", "#step=201&object=Deployment/default/fastapi-k8s");
  const rollout = () => read(page, "Rollout");
  expect(await rollout()).toContain("✓ complete");
  await page.keyboard.press("n");
  expect(await page.locator(".moment").innerText()).toContain("env");
  expect(await read(page, "What changed")).toContain("spec.template.spec.containers[fastapi-k8s].env");
  // The surge: one pod more than five, and no more.
  for (let i = 0; i < 40 && !(await rollout()).includes("readiness probe"); i++) await page.keyboard.press("ArrowRight");
  expect(await rollout()).toMatch(/Waits: fastapi-k8s-78775978d4-xt2bz is not ready: its container runs, its readiness probe has not succeeded yet/);
  expect(await rollout()).toContain("replicas 5 + maxSurge 1 = 6");
  expect(await rollout()).toContain("replicas 5 − maxUnavailable 0 = 5");
  await page.screenshot({ path: `${SHOTS}story-rollout.png` });
  for (let i = 0; i < 20 && !(await rollout()).includes("may go."); i++) await page.keyboard.press("ArrowRight");
  expect(await rollout()).toContain("Next: 1 old pod may go.");
  await page.keyboard.press("ArrowRight");
  expect(await page.locator(".moment").innerText()).toContain("shrink the old replica sets");
  await done();
});

it("HPA scale-up: the formula stands there at the moment of the decision", async () => {
  const { page, done } = await open("hpa-scale-up");
  await page.keyboard.press("/");
  await page.getByRole("combobox").fill("autoscaler fastapi");
  await page.keyboard.press("Enter");
  await visit(page, "step=456");
  const formula = await read(page, "The formula");
  expect(formula).toContain("= ⌈ 2 × 348% ÷ 50% ⌉ = ⌈ 13.92 ⌉ = 14");
  expect(formula).toMatch(/max\(2 × current, 4\) 4 ◂ decides/);
  expect(formula).toContain("Result: 2 → 4 replicas");
  await page.getByRole("button", { name: "the next one ▸" }).click();
  expect(await read(page, "The formula")).toContain("⌈ 4 × 378% ÷ 50% ⌉");
  // What its pods really use now is beside what it had measured by then: the load is over, it goes on all the same.
  expect(await read(page, "Over time")).toMatch(/measured: 348% really used: 4%/);
  await page.screenshot({ path: `${SHOTS}story-hpa.png` });
  await done();
});

it("drain: a pod that is placed among three nodes shows each node's filter and scores", async () => {
  const { page, done } = await open("drain", "#step=568&view=inspector&object=Pod/default/fastapi-k8s-c6c4576d9-gsmps");
  const panel = page.getByRole("region", { name: "Scheduling", exact: true });
  expect((await panel.innerText()).replace(/\s+/g, " ")).toContain("attempt 1, 3 of 3 nodes looked at");
  const rows = (await panel.getByRole("row").allInnerTexts()).map((text) => text.split("\t").map((cell) => cell.replace(/\s+/g, " ").trim()));
  expect(rows[0].map((cell) => cell.toLowerCase())).toEqual(
    ["node", "filter", "Taint Toleration", "Node Resources Fit", "Pod Topology Spread", "Node Resources Balanced Allocation", "sum"].map((name) =>
      name.toLowerCase(),
    ),
  );
  // The chosen one first, then by sum; the one that a filter refused has no scores.
  expect(rows[1]).toEqual(["✓ node-1", "passes", "100 × 3", "97", "100 × 2", "74", "671"]);
  expect(rows[2]).toEqual(["node-3", "passes", "100 × 3", "96", "85 × 2", "75", "641"]);
  expect(rows[3]).toEqual(["✕ node-2", "NodeUnschedulable: node(s) were unschedulable", "–", "–", "–", "–", "–"]);
  expect(rows.length).toBe(4);
  expect(await panel.innerText()).not.toContain("the same sum");
  await visit(page, "object=Pod/default/fastapi-k8s-c6c4576d9-9fkp7");
  expect(await read(page, "Scheduling")).toContain("node-1 has the same sum: which of the best is taken is chance.");
  await page.screenshot({ path: `${SHOTS}story-scheduler.png` });
  expect(await violationsOf(page)).toEqual([]);
  await done();
});

it("unschedulable: a Pending pod says what would make it fit", async () => {
  const { page, done } = await open("unschedulable", "#step=184&object=Pod/default/web-6dbd959466-tv29f");
  const why = await read(page, "Why it is Pending");
  expect(why).toContain("0/1 nodes are available: 1 Insufficient cpu.");
  expect(why).toMatch(/docker-desktop NodeResourcesFit: Insufficient cpu asks for \S+ cpu, \S+ of \S+ is free/);
  await done();
});
