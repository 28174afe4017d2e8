// A node cut off from the API server, from the page, on a real cluster of three nodes.

import { afterAll, expect, it } from "vitest";
import { close, read, visit } from "./page";
import { confirm, real, runOn } from "./real";

afterAll(close);

it("a node that is cut off is given up, its pods run on, and it is back when the link is", async () => {
  const { page, done } = await real("partition");
  const card = async (name: string) => {
    const article = page.getByRole("article").filter({ has: page.getByRole("heading", { name, exact: true }) });
    return (await article.innerText()).replace(/\s+/g, " ");
  };
  await page.keyboard.press("7");
  await runOn(page, 20);
  await page.getByLabel("Node", { exact: true }).selectOption("node-2");
  await page.getByLabel("Seconds").fill("100");
  await page.getByRole("button", { name: "Partition: cut it off …" }).click();
  expect(await confirm(page)).toMatch(
    /Cut node node-2 off from the API server for 100 s; its containers run on[\s\S]*"partition": \{\s*"node": "node-2",\s*"for": "100s"/,
  );
  await runOn(page, 80);
  await page.keyboard.press("1");
  await page.keyboard.press("End");
  // Nobody has heard of it: the node is given up, and what runs there counts as not ready.
  expect(await card("node-2")).toMatch(/▲ not ready .*node\.kubernetes\.io\/unreachable/);
  await visit(page, "view=inspector&object=Node//node-2");
  expect(await read(page, "Conditions")).toContain("NodeStatusUnknown");
  expect(await read(page, "Why")).toContain("node-2 is cut off from the API server");
  // The link is back by itself, and the node tells of itself.
  await visit(page, "view=do");
  await runOn(page, 60);
  await page.keyboard.press("1");
  await page.keyboard.press("End");
  expect(await card("node-2")).toContain("✓ ready");
  expect(await card("node-2")).not.toContain("unreachable");
  await visit(page, "view=inspector&object=Node//node-2");
  expect(await read(page, "Why")).toContain("node-2 is joined to the API server again");
  await done();
});
