// Opening the page as a person would, and looking at it: shared by the browser tests. Anything the policy forbids, and any
// error of the page's own, fails the test that saw it.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { type Browser, chromium, type Page } from "playwright-core";
import { type Handler, serve } from "./serve";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const SHOTS = fileURLToPath(new URL("../shots/", import.meta.url));
export const VIEWS = ["overview", "timeline", "inspector", "traffic", "etcd", "compare"];
let browser: Browser | undefined;

export async function launch(): Promise<Browser> {
  browser ??= await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  mkdirSync(SHOTS, { recursive: true });
  return browser;
}

export async function close(): Promise<void> {
  await browser?.close();
  browser = undefined;
}

/** The recorded run as a file on disk. */
export function file(name: string): string {
  const path = `${tmpdir()}/ksim-${process.pid}-${name}.view.json`;
  writeFileSync(path, gunzipSync(readFileSync(new URL(`./data/${name}.view.json.gz`, import.meta.url))));
  return path;
}

export interface Opened {
  page: Page;
  url: string;
  server: Server;
  wrong: string[];
  done: () => Promise<void>;
}

export async function blank(other?: Handler, hash = ""): Promise<Opened> {
  const { url, server } = await serve(other);
  const context = await (await launch()).newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  const wrong: string[] = [];
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("console", (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) wrong.push(message.text());
  });
  await page.goto(url + hash);
  const done = async () => {
    await context.close();
    server.close();
    server.closeAllConnections();
    if (wrong.length) throw new Error(`the page did what it must not: ${wrong.join("\n")}`);
  };
  return { page, url, server, wrong, done };
}

/** A page with a run opened from a file. */
export async function open(name: string, hash = ""): Promise<Opened> {
  const opened = await blank(undefined, hash);
  await openMore(opened.page, file(name));
  await opened.page.waitForSelector("[data-view]");
  return opened;
}

export async function openMore(page: Page, path: string, how = "show"): Promise<void> {
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await page.setInputFiles(`[data-open="${how}"]`, path);
  await page.waitForSelector("dialog", { state: "detached" });
  await page.waitForFunction(() => !document.querySelector(".messages .note")?.textContent?.startsWith("Reading"));
}

/** Goes somewhere by the address, as a link does. */
export async function visit(page: Page, place: string): Promise<void> {
  await page.evaluate((hash) => {
    location.hash = hash;
  }, place);
  await page.waitForTimeout(60);
}

/** What a person reads in a part of the page. */
export async function read(page: Page, name: string): Promise<string> {
  return (await page.getByRole("region", { name, exact: true }).first().innerText()).replace(/\s+/g, " ");
}

/** What axe-core finds wrong with what is shown. */
export async function violationsOf(page: Page): Promise<string[]> {
  await page.evaluate(`${axe};0`).catch(() => undefined);
  return page.evaluate(async () => {
    // biome-ignore lint/suspicious/noExplicitAny: injected
    const found = await (window as any).axe.run(document, { resultTypes: ["violations"] });
    // biome-ignore lint/suspicious/noExplicitAny: injected
    return found.violations.flatMap((v: any) => v.nodes.slice(0, 3).map((n: any) => `${v.id}: ${n.target} ${n.failureSummary?.slice(0, 200)}`));
  });
}
