// Commands in containers and their logs, from the page's prompt against the real server.

import { afterAll, expect, it } from "vitest";
import { close, read, violationsOf, visit } from "./page";
import { real, runOn } from "./real";

afterAll(close);

it("the prompt runs commands in a container and reads its log; what a command did is the cause of what follows", async () => {
  const { page, done } = await real("first-deploy");
  await page.keyboard.press("7");
  await runOn(page, 20);
  const log = () => page.getByRole("log").innerText();
  let asked = 0;
  const say = async (line: string): Promise<string> => {
    await page.getByLabel("Command").fill(line);
    await page.keyboard.press("Enter");
    asked += 1;
    const entry = page
      .getByRole("log")
      .locator("pre")
      .nth(asked - 1);
    await entry.waitFor();
    for (let i = 0; i < 100 && (await entry.innerText()).endsWith("…"); i++) await page.waitForTimeout(50);
    return (await entry.innerText()).replace(`$ ${line}\n`, "");
  };
  const pod = /fastapi-k8s-\S+/.exec(await say("get pods"))?.[0] ?? "none";
  expect(await say(`kubectl exec ${pod} -- printenv POD_NAME`)).toBe(pod);
  expect(await say(`exec ${pod} -c fastapi-k8s -- sh -c 'echo "a   <b>" > /tmp/x && cat /tmp/x'`)).toBe("a   <b>");
  expect(await say(`exec ${pod} -- sh -c "echo bad >&2; exit 3"`)).toBe("bad\ncommand terminated with exit code 3");
  expect(await say(`exec ${pod} -- nonsense`)).toMatch(/^error: .*exec: "nonsense": executable file not found/);
  expect(await say("exec nobody -- ls")).toBe('error: NotFound: pods "nobody" not found');
  expect(await say(`exec ${pod} -- echo 'open`)).toBe("error: a ' is not closed");
  expect(await say(`exec -it ${pod} -- sh`)).toContain("there is no terminal here");
  expect(await say(`logs ${pod} --tail=1`)).toMatch(/Uvicorn running|Application startup complete|INFO/);
  // From the pod's own buttons to the prompt, without typing its name.
  await visit(page, `object=Pod/default/${pod}`);
  await page.getByRole("button", { name: "Run in fastapi-k8s" }).click();
  expect(await page.getByLabel("Command").inputValue()).toBe(`exec ${pod} -n default -c fastapi-k8s -- `);
  await page.keyboard.type("kill 1");
  await page.keyboard.press("Enter");
  await page.getByRole("log").getByText("-- kill 1").waitFor();
  expect(await violationsOf(page)).toEqual([]);
  expect(await log()).not.toContain("undefined");
  await runOn(page, 20);
  await page.keyboard.press("End");
  const restarts = await read(page, "Restarts");
  expect(restarts).toMatch(/container fastapi-k8s exited with code 0 \(Completed\); it ran again/);
  expect(restarts).toContain(`Cause: follows from Pod ${pod}: runs in container fastapi-k8s: kill 1`);
  await done();
});
