// The picture in the README: the real page of a run made just now, in the middle of a rollout. `KSIM_PICTURE=write npm run browser`
// puts it into docs/.

import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, expect, it } from "vitest";
import { close, launch, read, SHOTS } from "./page";
import { program, ROOT } from "./real";

afterAll(close);

it("the README's picture: a rollout half way, which waits for its new pod", async () => {
  const html = `${mkdtempSync(`${tmpdir()}/ksim-picture-`)}/rollout.html`;
  execFileSync(program(), ["run", "--quiet", "--html", html, "scenarios/rollout.yaml"], { cwd: ROOT });
  const page = await (await launch()).newPage({ viewport: { width: 1440, height: 900 } });
  await page.goto(`${pathToFileURL(html)}#view=overview&object=Deployment/default/fastapi-k8s`);
  await page.waitForSelector("[data-view]");
  await page.keyboard.press("Home");
  const rollout = async () => ((await page.getByRole("region", { name: "Rollout", exact: true }).count()) ? read(page, "Rollout") : "");
  for (let i = 0; i < 80 && !/ new 3 3 2 2 /.test(await rollout()); i++) await page.keyboard.press("n");
  for (let i = 0; i < 60 && !(await rollout()).includes("readiness probe has not succeeded yet"); i++) await page.keyboard.press("ArrowRight");
  expect(await read(page, "Rollout")).toMatch(/Waits: fastapi-k8s-\S+ is not ready: its container runs, its readiness probe has not succeeded yet/);
  expect(await read(page, "Rollout")).toContain("replicas 5 + maxSurge 1 = 6");
  expect(await page.locator("[data-view=overview]").innerText()).toMatch(/rolling out/);
  const path = process.env.KSIM_PICTURE === "write" ? fileURLToPath(new URL("../../docs/rollout.png", import.meta.url)) : `${SHOTS}rollout.png`;
  await page.screenshot({ path });
  await page.close();
});
