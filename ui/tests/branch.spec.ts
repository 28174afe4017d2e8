// Branches of a real cluster: one thing is changed, the branch runs on, and stands beside the original.

import { afterAll, expect, it } from "vitest";
import { close, read, SHOTS, violationsOf } from "./page";
import { confirm, real, runOn } from "./real";

afterAll(close);

it("the rollout with maxUnavailable 1 instead of 0 stands beside the original, the first difference marked", async () => {
  const { page, done } = await real("rollout");
  const moment = () => page.locator(".moment .what").innerText();
  // The original: the scenario from its beginning to its end.
  await page.keyboard.press("7");
  await runOn(page, 75);
  // Back to just before the rollout.
  await page.keyboard.press("/");
  await page.getByRole("dialog").getByRole("combobox").fill("deployment fastapi");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Home");
  for (let i = 0; i < 60 && !(await moment()).includes("env[VERSION]"); i++) await page.keyboard.press("n");
  await page.keyboard.press("c");
  expect(await moment()).toContain("kubectl set env deploy fastapi-k8s VERSION=v2");
  await page.keyboard.press("ArrowLeft");
  // A branch from there.
  await page.getByLabel("Name of the branch or moment").fill("unavailable-1");
  await page.getByRole("button", { name: /^branch off at the moment/ }).click();
  expect(await confirm(page)).toContain("main is kept as it is, time stands still");
  await page.getByText("● unavailable-1, live").waitFor();
  expect(await moment()).not.toContain("VERSION");
  // One thing is changed, as in any editor.
  await page.getByRole("button", { name: "edit Deployment fastapi-k8s" }).click();
  await page.locator(".cm-line", { hasText: "maxUnavailable: 0" }).click();
  await page.keyboard.press("End");
  await page.keyboard.press("Backspace");
  await page.keyboard.type("1");
  await page.getByLabel("take over fields that others manage").check();
  await page.getByRole("button", { name: "Apply …" }).click();
  expect(await confirm(page)).toMatch(/"maxSurge": 1,\s*"maxUnavailable": 1/);
  await page.getByText("✓ Apply Deployment fastapi-k8s").waitFor();
  // It runs on, and both are looked at beside each other.
  await runOn(page, 60);
  await page.keyboard.press("6");
  await page.keyboard.press("End");
  const text = await page.locator("[data-view=compare]").innerText();
  expect(text).toMatch(/rollout · unavailable-1\s+with\s+main/);
  expect(text).toMatch(
    /First difference: step \d+, at \d+\.\d+ s\. Something else happens\. Left: PATCH \/apis\/apps\/v1\/namespaces\/default\/deployments\/fastapi-k8s/,
  );
  // What came of it: there an old pod goes before any new one is ready, here none does.
  const parting = await page.getByRole("group", { name: "The first difference in pods" }).innerText();
  expect(parting).toMatch(/left: a pod of ReplicaSet fastapi-k8s-c6c4576d9 is told to go \(fastapi-k8s-c6c4576d9-\w+\), at /);
  expect(parting).toMatch(/right: a pod of ReplicaSet fastapi-k8s-78775978d4 is ready \(fastapi-k8s-78775978d4-\w+\), at /);
  expect(await read(page, "Pods available")).toMatch(/Deployment fastapi-k8s, left 5 5 ≠ 4 \d Deployment fastapi-k8s, right 5 \d ≠ 5 \d/);
  expect(text).toContain("spec.strategy.rollingUpdate.maxUnavailable: 1 → 0");
  // The mark stands at that step in both.
  await page.getByRole("button", { name: "go there" }).first().click();
  expect(await read(page, "left")).toMatch(/unavailable-1 .*≠ first difference \S+ PATCH/);
  expect(await read(page, "right")).toMatch(/≠ first difference user kubectl set env/);
  for (const theme of ["light", "dark"]) {
    while ((await page.evaluate(() => document.documentElement.dataset.theme)) !== theme) await page.keyboard.press("t");
    expect(await violationsOf(page)).toEqual([]);
    await page.screenshot({ path: `${SHOTS}branch-${theme}.png` });
  }
  await done();
});
