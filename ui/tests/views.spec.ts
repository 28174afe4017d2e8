// Each view: what a person sees in it, without a mouse, in both themes, without a violation axe-core knows.

import { readFileSync } from "node:fs";
import { afterAll, expect, it } from "vitest";
import { blank, close, file, open, openMore, read, SHOTS, VIEWS, violationsOf, visit } from "./page";

afterAll(close);

const PLACES: Record<string, [string, string]> = {
  overview: ["rollout", "step=245&object=Deployment/default/fastapi-k8s"],
  timeline: ["rollout", "step=245&object=ReplicaSet/default/fastapi-k8s-c6c4576d9"],
  inspector: ["hpa-scale-up", "step=456&object=HorizontalPodAutoscaler/default/fastapi-k8s-hpa"],
  traffic: ["hpa-scale-up", "step=456"],
  etcd: ["stale-cache", "step=155"],
  compare: ["rollout", "step=300"],
};

for (const view of VIEWS) {
  for (const theme of ["light", "dark"]) {
    it(`${view} has no violation in the ${theme} theme, as drawing and as table`, async () => {
      const [name, place] = PLACES[view];
      const { page, done } = await open(name);
      if (view === "compare") await openMore(page, file("rollout-unavailable-1"), "beside");
      while ((await page.evaluate(() => document.documentElement.dataset.theme)) !== theme) await page.keyboard.press("t");
      await visit(page, `view=${view}&${place}`);
      await page.screenshot({ path: `${SHOTS}${view}-${theme}.png` });
      for (const table of [false, true]) {
        if (table) await page.keyboard.press("v");
        const violations = await violationsOf(page);
        expect(violations, `${view} ${theme}`).toEqual([]);
      }
      await done();
    });
  }
}

it("overview shows what is wanted, there, ready and believed, and marks what this step is about", async () => {
  const { page, done } = await open("rollout", "#step=245");
  const row = page.getByRole("row", { name: /^Deployment fastapi-k8s/ });
  expect((await row.innerText()).replace(/\s+/g, " ")).toContain("Deployment fastapi-k8s 5 6 6 6 ◐ rolling out");
  expect(await page.getByRole("row", { name: /ReplicaSet fastapi-k8s-c6c4576d9/ }).innerText()).toContain("now");
  await done();
});

it("overview shows a cache that believes something else", async () => {
  const { page, done } = await open("stale-cache");
  let shown = "";
  for (let step = 149; step < 158 && !shown.includes("≠"); step++) {
    await visit(page, `step=${step}`);
    shown = await page.getByRole("row", { name: /^Deployment web/ }).innerText();
  }
  expect(shown).toContain("≠");
  await visit(page, "view=etcd&step=155");
  expect(await page.locator("[data-view=etcd]").innerText()).toMatch(/≠ \d+ changes?/);
  await done();
});

it("timeline filters, goes to a step by its list, and follows causes and effects by keys", async () => {
  const { page, done } = await open("rollout", "#step=245&view=timeline");
  await page.getByRole("searchbox").fill("kube-scheduler");
  const rows = page.locator(".list tbody tr");
  for (const row of await rows.allInnerTexts()) expect(row).toContain("kube-scheduler");
  expect(await rows.count()).toBeGreaterThan(15);
  await page.getByRole("searchbox").fill("nothing like this");
  expect(await page.locator(".list").innerText()).toContain("No step has this.");
  await page.getByRole("button", { name: "Show all steps" }).click();
  expect(await page.locator("tr[aria-current]").innerText()).toContain("5 of 4 pods: delete 1");
  await page.keyboard.press("c");
  expect(await page.locator(".moment").innerText()).toContain("spec.replicas: 5 → 4");
  await page.keyboard.press("e");
  expect(await page.locator(".moment").innerText()).toContain("5 of 4 pods: delete 1");
  await done();
});

it("inspector marks the fields a step changed, and says who wrote each", async () => {
  const { page, done } = await open("rollout", "#step=202&object=Deployment/default/fastapi-k8s&view=inspector");
  const marked = await page.locator(".line.marked").allInnerTexts();
  expect(marked.some((line) => line.includes("VERSION"))).toBe(true);
  expect(marked.some((line) => line.includes("replicas"))).toBe(false);
  expect(await page.locator(".yaml").innerText()).toContain("kubectl-set · 30.112 s");
  await page.keyboard.press("n");
  expect(await read(page, "What changed")).toContain("metadata.annotations");
  await done();
});

it("traffic counts requests, failures with their reason, and goes where a chart is clicked", async () => {
  const { page, done } = await open("service-routing", "#view=traffic");
  await page.keyboard.press("End");
  const text = await page.locator("[data-view=traffic]").innerText();
  expect(text).toMatch(/\d+ requests so far, ▲ \d+ failed/);
  await page.getByRole("img", { name: /^Requests per second\./ }).click({ position: { x: 120, y: 40 } });
  expect(Number(await page.getByRole("slider").inputValue())).toBeLessThan(1085);
  await page.keyboard.press("v");
  expect(await page.getByRole("columnheader", { name: "answered" }).count()).toBe(1);
  await done();
});

it("traffic shows requests beside replicas, CPU and memory, as lines and as numbers", async () => {
  const { page, done } = await open("hpa-scale-up", "#view=traffic&step=456");
  const chart = (title: string) => page.getByRole("figure").filter({ has: page.getByRole("heading", { name: title, exact: true }) });
  const legend = async (title: string) => (await chart(title).locator(".legend").innerText()).replace(/\s+/g, " ").trim();
  // Before the autoscaler acts: two pods, both at their limit of 200 m.
  expect(await legend("Replicas")).toContain("fastapi-k8s ready: 2");
  expect(await legend("CPU")).toBe("fastapi-k8s: 400 m");
  expect(await legend("Memory")).toBe("fastapi-k8s: 104 MiB");
  // It was told of this load only now: what it had measured until then is what they used at rest.
  expect(await legend("CPU as autoscalers measured it")).toBe("fastapi-k8s-hpa CPU of request: 6%");
  const row = page.getByRole("row", { name: /^fastapi-k8s-\S+ \d+ 0 200 m 52 MiB$/ });
  expect(await row.count()).toBe(2);
  await chart("CPU")
    .getByRole("img", { name: /^CPU\. At 1:25\.161: fastapi-k8s 400 m/ })
    .waitFor();
  await page.screenshot({ path: `${SHOTS}traffic-cpu.png` });
  // The same as a table.
  await page.keyboard.press("v");
  const cells = (await chart("CPU").getByRole("row").allInnerTexts()).map((text) => text.replace(/\s+/g, " "));
  expect(cells[0]).toBe("Time fastapi-k8s");
  expect(cells).toContain("1:10.000 400 m");
  await done();
});

it("compare marks the first difference of the rollout with maxUnavailable 1", async () => {
  const { page, done } = await open("rollout");
  await openMore(page, file("rollout-unavailable-1"), "beside");
  await page.keyboard.press("6");
  const text = () => page.locator("[data-view=compare]").innerText();
  expect(await text()).toMatch(/First difference: step \d+, at 0\.\d+ s\. Deployment fastapi-k8s: .*maxUnavailable: 0 → 1/);
  await page.getByRole("button", { name: "go there" }).click();
  expect(await text()).toContain("≠ first difference");
  await page.screenshot({ path: `${SHOTS}story-compare.png` });
  await done();
});

it("everything is reached by the keyboard alone, and ? lists the keys that act now", async () => {
  const { page, done } = await open("rollout", "#step=201");
  await page.keyboard.press("?");
  const before = await page.getByRole("dialog").innerText();
  expect(before).toContain("Play or pause");
  expect(before).not.toContain("Next change of the selected object");
  await page.keyboard.press("Escape");
  await page.keyboard.press("/");
  await page.keyboard.type("deployment fastapi");
  await page.keyboard.press("Enter");
  expect(await page.getByRole("complementary").innerText()).toContain("Deployment");
  await page.keyboard.press("?");
  expect(await page.getByRole("dialog").innerText()).toContain("Next change of the selected object");
  await page.keyboard.press("Escape");
  await page.keyboard.press("n");
  expect(await page.getByRole("slider").inputValue()).toBe("202");
  for (const [key, view] of [
    ["2", "timeline"],
    ["3", "inspector"],
    ["4", "traffic"],
    ["5", "etcd"],
    ["6", "compare"],
    ["1", "overview"],
  ]) {
    await page.keyboard.press(key);
    expect(await page.locator("[data-view]").getAttribute("data-view")).toBe(view);
  }
  // Tab walks through everything that can be clicked, and what has the focus can be seen.
  const seen = new Set<string>();
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press("Tab");
    seen.add(await page.evaluate(() => document.activeElement?.textContent?.trim().slice(0, 30) ?? ""));
  }
  expect([...seen].some((text) => text.includes("Deployment fastapi-k8s"))).toBe(true);
  await done();
});

it("a page without a run says what to do, and a damaged file what is wrong with it and where", async () => {
  const { page, done } = await blank();
  expect(await page.locator("body").innerText()).toMatch(/no run is open/i);
  for (const [text, told] of [
    ["", /is empty/],
    ["{", /Line 1 is not JSON/],
    ['{"format":"other"}', /no ksim-view\/v1 document/],
  ] as const) {
    await page.getByRole("button", { name: "Open", exact: true }).click();
    await page.setInputFiles("[data-open=show]", { name: "damaged.json", mimeType: "application/json", buffer: Buffer.from(text) });
    expect(await page.getByRole("alert").last().innerText()).toMatch(told);
    await page.getByRole("button", { name: "Dismiss" }).last().click();
  }
  await done();
});

it("a broken link is told, and the rest of it followed", async () => {
  const { page, done } = await open("rollout", "#run=other&step=99999&object=Pod/default/none&view=timeline&step2=x");
  const told = (await page.getByRole("alert").allInnerTexts()).join(" ");
  expect(told).toContain("“step2” means nothing here");
  expect(told).toContain("the link points at step 99999, this run has 532");
  expect(told).toContain("there is no Pod/default/none");
  expect(await page.locator("[data-view]").getAttribute("data-view")).toBe("timeline");
  await done();
});

it("the address holds the moment, the selection and the view, and opens the same again", async () => {
  const first = await open("rollout", "#step=245&object=ReplicaSet/default/fastapi-k8s-c6c4576d9&view=etcd");
  const hash = new URL(first.page.url()).hash;
  await first.done();
  const again = await open("rollout", hash);
  expect(await again.page.getByRole("slider").inputValue()).toBe("245");
  expect(await again.page.locator("[data-view]").getAttribute("data-view")).toBe("etcd");
  expect(await again.page.getByRole("complementary").innerText()).toContain("fastapi-k8s-c6c4576d9");
  await again.done();
});

it("saves the run and the view: the file opens again, the SVG holds what is shown", async () => {
  const { page, done } = await open("rollout", "#step=245&view=timeline");
  const [saved] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("x")]);
  const path = await saved.path();
  await openMore(page, path);
  await page.keyboard.press("End");
  expect(await page.locator(".where").innerText()).toContain("step 531 of 531");
  for (const view of ["1", "2"]) {
    await page.keyboard.press(view);
    const [drawn] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("s")]);
    const svg = readFileSync(await drawn.path(), "utf8");
    expect(svg.startsWith("<svg")).toBe(true);
    expect(svg).toContain(view === "1" ? "docker-desktop" : "replicaset-controller");
    const parsed = await page.evaluate((text) => new DOMParser().parseFromString(text, "image/svg+xml").querySelector("parsererror")?.textContent ?? "", svg);
    expect(parsed).toBe("");
  }
  await done();
});

it("text from manifests stays text", async () => {
  const { page, done } = await blank();
  const evil = '<img src=x onerror="window.__evil=1"><script>window.__evil=1</script>';
  const lines = [
    { format: "ksim-view/v1", name: evil, about: evil, epoch: 0, seed: 1, server: "", profile: "" },
    {
      from: 0,
      components: ["user"],
      keys: [["ConfigMap", "v1", "default", evil]],
      watches: [],
      deliveries: [],
      steps: [
        [0, 0, 0, "b"],
        [1, 0, 0, "c", 0, 5, 0, { data: { [evil]: evil }, metadata: { name: evil } }, evil],
      ],
    },
    { end: 2, verdicts: [] },
  ];
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await page.setInputFiles("[data-open=show]", {
    name: "evil.json",
    mimeType: "application/json",
    buffer: Buffer.from(lines.map((l) => JSON.stringify(l)).join("\n")),
  });
  await page.waitForSelector("[data-view]");
  await visit(page, `view=inspector&step=1&object=${encodeURIComponent(`ConfigMap/default/${evil}`)}`);
  expect(await page.locator(".yaml").innerText()).toContain("<script>");
  expect(await page.evaluate(() => (window as unknown as { __evil?: number }).__evil)).toBeUndefined();
  await done();
});
