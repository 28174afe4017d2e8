// A live cluster, played by a small server of the test's own that notes every request: what is sent, and that nothing is sent
// before it was confirmed.

import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterAll, expect, it } from "vitest";
import { blank, close, file, read, SHOTS, violationsOf, visit } from "./page";

afterAll(close);

class Cluster {
  lines = readFileSync(file("rollout"), "utf8").trim().split("\n").slice(0, -1);
  asked: { method: string; path: string; body: string; token: string }[] = [];
  gone = false;
  generation = 1;
  branch = "main";
  told = 0;
  waiting: ServerResponse[] = [];

  handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const path = request.url ?? "";
    if (this.gone) {
      request.socket.destroy();
      return;
    }
    const token = (request.headers.authorization ?? "").replace("Bearer ", "");
    this.asked.push({ method: request.method ?? "", path, body, token });
    const json = (value: unknown, status = 200) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (token !== "secret") json({ kind: "Status", reason: "Unauthorized", message: "Unauthorized" }, 401);
    else if (path.startsWith("/ksim/v1/view")) this.view(path, response);
    else if (path === "/apis") json({ groups: [{ preferredVersion: { groupVersion: "apps/v1" } }] });
    else if (path === "/api/v1")
      json({ groupVersion: "v1", resources: [{ name: "pods", kind: "Pod", singularName: "pod", shortNames: ["po"], namespaced: true }] });
    else if (path === "/apis/apps/v1")
      json({
        groupVersion: "apps/v1",
        resources: [{ name: "deployments", kind: "Deployment", singularName: "deployment", shortNames: ["deploy"], namespaced: true }],
      });
    else if (path.includes("/pods"))
      json({
        kind: "Table",
        columnDefinitions: [
          { name: "Name", priority: 0 },
          { name: "Status", priority: 0 },
        ],
        rows: [{ cells: ["web-1", "Running"], object: { metadata: { namespace: "default" } } }],
      });
    else if (path.includes("forbidden")) json({ kind: "Status", reason: "Forbidden", message: "this is not allowed" }, 403);
    else json({});
  };

  view(path: string, response: ServerResponse): void {
    const known = new URLSearchParams(path.split("?")[1]);
    const restart = known.get("generation") !== String(this.generation);
    const standing = { generation: this.generation, branch: this.branch, branches: ["other"], now: 61_724_456, speed: "1", restart };
    if (restart) response.end([JSON.stringify(standing), ...this.lines].join("\n"));
    else this.waiting.push(response);
  }

  changes(): string[] {
    return this.asked.filter((a) => a.method !== "GET").map((a) => `${a.method} ${a.path} ${a.body}`);
  }
}

async function live(hash = "#token=secret") {
  const cluster = new Cluster();
  const opened = await blank((q, r) => void cluster.handle(q, r), hash);
  return { cluster, ...opened };
}

it("the token leaves the address, a link never acts, and the live run is shown", async () => {
  const { page, cluster, done } = await live("#token=secret&view=do&step=300&object=Deployment/default/fastapi-k8s");
  await page.waitForSelector("[data-view=do]");
  expect(page.url()).not.toContain("secret");
  expect(await page.locator(".where").innerText()).toContain("step 300 of 531");
  await page.reload();
  await page.waitForSelector("[data-view]");
  await page.waitForTimeout(300);
  expect(cluster.changes()).toEqual([]);
  expect(cluster.asked.every((a) => a.token === "secret")).toBe(true);
  await done();
});

it("a wrong token is told, not an empty page", async () => {
  const { page, done } = await live("#token=wrong");
  expect(await page.getByRole("alert").innerText()).toContain("does not accept this page's token");
  await done();
});

it("scaling shows what is sent, sends it when confirmed, and not otherwise", async () => {
  const { page, cluster, done } = await live("#token=secret&view=do&object=Deployment/default/fastapi-k8s");
  await page.waitForSelector("[data-view=do]");
  await page.getByRole("spinbutton", { name: "replicas" }).fill("7");
  await page.getByRole("button", { name: "Scale …" }).click();
  expect(await page.getByRole("dialog").innerText()).toMatch(
    /Scale Deployment fastapi-k8s to 7[\s\S]*PATCH \/apis\/apps\/v1\/namespaces\/default\/deployments\/fastapi-k8s\/scale/,
  );
  await page.getByRole("button", { name: "Do not" }).click();
  expect(cluster.changes()).toEqual([]);
  await page.getByRole("button", { name: "Scale …" }).click();
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByText("✓ Scale Deployment fastapi-k8s to 7").waitFor();
  expect(cluster.changes()).toEqual(['PATCH /apis/apps/v1/namespaces/default/deployments/fastapi-k8s/scale?fieldManager=ksim-page {"spec":{"replicas":7}}']);
  await done();
});

it("faults, crashes and deletions are control actions and requests that are confirmed", async () => {
  const { page, cluster, done } = await live("#token=secret&view=do");
  await page.waitForSelector("[data-view=do]");
  const send = async (button: string) => {
    await page.getByRole("button", { name: button }).first().click();
    await page.getByRole("dialog").getByRole("button", { name: "Send" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
  };
  await send("Stop it …");
  await send("Hold its watch …");
  await send("Lose quorum …");
  await send("Partition: cut it off …");
  const pod = "Pod/default/fastapi-k8s-78775978d4-xt2bz";
  await visit(page, `object=${pod}`);
  await send("Crash container fastapi-k8s …");
  await send("Delete …");
  const faults = cluster.changes().map((c) => c.replace("POST /ksim/v1/control ", ""));
  expect(faults.slice(0, 4)).toEqual([
    '{"fault":{"node":{"name":"docker-desktop","state":"down"}}}',
    '{"fault":{"holdWatch":{"process":"kube-controller-manager","kind":"pods","for":"30s"}}}',
    '{"fault":{"etcd":{"state":"noQuorum","for":"30s"}}}',
    '{"fault":{"partition":{"node":"docker-desktop","for":"30s"}}}',
  ]);
  expect(faults[4]).toBe('{"fault":{"container":{"pod":{"name":"fastapi-k8s-78775978d4-xt2bz"},"namespace":"default","container":"fastapi-k8s","crash":1}}}');
  expect(faults[5]).toContain("DELETE /api/v1/namespaces/default/pods/fastapi-k8s-78775978d4-xt2bz");
  await done();
});

it("YAML with an error says line and column and cannot be sent; good YAML is applied server-side", async () => {
  const { page, cluster, done } = await live("#token=secret&view=do");
  await page.waitForSelector("[data-view=do]");
  const type = async (text: string) => {
    await page.locator(".cm-content").click();
    await page.keyboard.press("Control+a");
    await page.keyboard.press("Delete");
    await page.keyboard.insertText(text);
  };
  await type("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: [web\n");
  expect(await page.locator("ul[role=alert]").innerText()).toMatch(/line [45], column \d+: /);
  expect(await page.getByRole("button", { name: "Apply …" }).isDisabled()).toBe(true);
  await type("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 2\n");
  await page.locator("ul[role=alert]").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Apply …" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Send" }).click();
  await page.getByText("✓ Apply Deployment web").waitFor();
  expect(cluster.changes()[0]).toContain(
    'PATCH /apis/apps/v1/namespaces/default/deployments/web?fieldManager=ksim-page&fieldValidation=Strict {"apiVersion":"apps/v1"',
  );
  await page.screenshot({ path: `${SHOTS}do-light.png` });
  await done();
});

it("the prompt answers what reads, confirms what changes, and tells what it does not know", async () => {
  const { page, cluster, done } = await live("#token=secret&view=do");
  await page.waitForSelector("[data-view=do]");
  const say = async (line: string) => {
    await page.getByLabel("Command").fill(line);
    await page.keyboard.press("Enter");
    await page.getByRole("log").getByText(`$ ${line}`).waitFor();
  };
  const log = () => page.getByRole("log").innerText();
  await say("kubectl get pods -A");
  expect(await log()).toMatch(/NAMESPACE\s+NAME\s+STATUS\s*\n\s*default\s+web-1\s+Running/);
  await say("get sandwiches");
  expect(await log()).toContain('the server doesn\'t have a resource type "sandwiches"');
  await say("edit deploy/web");
  expect(await log()).toContain("is not among the commands here");
  await say("delete deploy/forbidden");
  expect(cluster.changes()).toEqual([]);
  await page.getByRole("dialog").getByRole("button", { name: "Send" }).click();
  expect(await page.getByRole("alert").innerText()).toContain("Delete Deployment forbidden: Forbidden: this is not allowed");
  await done();
});

it("a server that goes away is told, what was known stays, and it is found again", async () => {
  const { page, cluster, done } = await live();
  await page.waitForSelector("[data-view]");
  cluster.gone = true;
  for (const response of cluster.waiting) response.socket?.destroy();
  await page.getByRole("alert").waitFor();
  expect(await page.getByRole("alert").innerText()).toContain("The server does not answer");
  expect(await page.locator("[data-view]").innerText()).toContain("docker-desktop");
  cluster.gone = false;
  await page.getByRole("alert").waitFor({ state: "detached" });
  expect(await page.getByRole("region", { name: "The live cluster's clock" }).innerText()).toContain("● live");
  await done();
});

it("another branch takes the place of the first, which is kept to compare with", async () => {
  const { page, cluster, done } = await live();
  await page.waitForSelector("[data-view]");
  [cluster.generation, cluster.branch] = [2, "other"];
  cluster.lines = readFileSync(file("rollout-unavailable-1"), "utf8").trim().split("\n").slice(0, -1);
  for (const response of cluster.waiting.splice(0)) cluster.view("/ksim/v1/view?generation=1", response);
  await page.getByText("branch other").waitFor();
  await page.keyboard.press("6");
  const text = await page.locator("[data-view=compare]").innerText();
  expect(text).toContain("First difference: step");
  expect(text).toContain("maxUnavailable: 1 → 0");
  expect(await read(page, "right")).toContain("main");
  await done();
});

it("a fork keeps the branch it left, and the two are compared as the new one goes on", async () => {
  const { page, cluster, done } = await live();
  await page.waitForSelector("[data-view]");
  await page.keyboard.press("6");
  await page.getByLabel("Name of the branch or moment").fill("what-if");
  await page.getByRole("button", { name: /^keep the present as this branch/ }).click();
  await page.waitForTimeout(200);
  expect(cluster.changes()).toEqual(['POST /ksim/v1/control {"fork":"what-if"}']);
  cluster.branch = "what-if";
  const more = {
    from: 532,
    components: [],
    keys: [],
    watches: [],
    deliveries: [],
    steps: [[61_800_000, 7, 0, "a", "kubectl scale deploy fastapi-k8s --replicas=3", 0]],
  };
  const standing = { generation: 1, branch: "what-if", branches: ["main"], now: 61_800_000, speed: "1", restart: false };
  for (const response of cluster.waiting.splice(0)) response.end(`${JSON.stringify(standing)}\n${JSON.stringify(more)}\n`);
  await page.getByText("branch what-if").waitFor();
  const text = await page.locator("[data-view=compare]").innerText();
  expect(text).toContain("First difference: step 532");
  expect(text).toContain("The left one goes on");
  expect(text).toContain("take up main");
  await done();
});

for (const theme of ["light", "dark"]) {
  it(`acting has no violation in the ${theme} theme, the question before it neither`, async () => {
    const { page, done } = await live("#token=secret&view=do&object=Deployment/default/fastapi-k8s");
    await page.waitForSelector("[data-view=do] .cm-content");
    while ((await page.evaluate(() => document.documentElement.dataset.theme)) !== theme) await page.keyboard.press("t");
    await page.screenshot({ path: `${SHOTS}do-${theme}.png` });
    expect(await violationsOf(page)).toEqual([]);
    await page.getByRole("button", { name: "Delete …" }).click();
    expect(await violationsOf(page)).toEqual([]);
    await done();
  });
}
