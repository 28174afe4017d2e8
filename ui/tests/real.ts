// The real server, built beforehand (`cargo build`), with a scenario on its clock: what the page is driven against where a
// server of the test's own would prove nothing.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { launch } from "./page";
import { DIST } from "./serve";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The program: the one named, or the newest that was built here. */
export function program(): string {
  const places = [process.env.KSIM, `${ROOT}target/release/ksim`, `${ROOT}target/debug/ksim`].filter((path): path is string => !!path && existsSync(path));
  if (!places.length) throw new Error("there is no ksim: build it with cargo build, or name it with KSIM=…");
  return places[0];
}

/** Servers that a test which failed has left: they end with the tests. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const server of running) server.kill();
});

export interface Real {
  page: Page;
  done: () => Promise<void>;
}

/** A server that plays a scenario with its clock standing still, and the page it serves, opened. */
export async function real(scenario: string, hash = ""): Promise<Real> {
  const folder = mkdtempSync(`${tmpdir()}/ksim-real-`);
  const server = spawn(
    program(),
    [
      "serve",
      "--scenario",
      `scenarios/${scenario}.yaml`,
      "--bind",
      "127.0.0.1:0",
      "--page",
      "127.0.0.1:0",
      "--speed",
      "paused",
      "--kubeconfig",
      `${folder}/kubeconfig`,
    ],
    { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] },
  );
  running.add(server);
  const url = await address(server);
  const context = await (await launch()).newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  const wrong: string[] = [];
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("console", (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) wrong.push(message.text());
  });
  const served = await (await fetch(new URL("app.js", url))).text();
  if (served !== readFileSync(`${DIST}app.js`, "utf8")) throw new Error("ksim holds another page than dist/: build it again after the page");
  await page.goto(url + hash);
  await page.waitForSelector("[data-view]");
  const done = async () => {
    await context.close();
    running.delete(server);
    server.kill();
    await new Promise((gone) => server.once("exit", gone));
    rmSync(folder, { recursive: true, force: true });
    if (wrong.length) throw new Error(`the page did what it must not: ${wrong.join("\n")}`);
  };
  return { page, done };
}

/** The address the server prints. */
function address(server: ChildProcess): Promise<string> {
  return new Promise((found, failed) => {
    let said = "";
    const take = (text: Buffer) => {
      said += text;
      const match = /browser view: (\S+)/.exec(said);
      if (match) found(match[1]);
    };
    server.stdout?.on("data", take);
    server.stderr?.on("data", take);
    server.once("exit", () => failed(new Error(`ksim serve ended: ${said}`)));
  });
}

/** Lets the cluster run on by so many seconds, from where time and branches are steered. */
export async function runOn(page: Page, seconds: number): Promise<void> {
  const end = async () => Number((await page.getByLabel("Step", { exact: true }).getAttribute("max")) ?? 0);
  const before = await end();
  await page.getByLabel("or run on").fill(String(seconds));
  await page.getByRole("button", { name: "run", exact: true }).click();
  for (let i = 0; i < 600 && (await end()) === before; i++) await page.waitForTimeout(50);
  await page.waitForTimeout(200);
}

/** Confirms what is about to be sent, and waits until it was. */
export async function confirm(page: Page): Promise<string> {
  const dialog = page.getByRole("dialog");
  const text = await dialog.innerText();
  await dialog.getByRole("button", { name: "Send" }).click();
  await dialog.waitFor({ state: "detached" });
  return text;
}
