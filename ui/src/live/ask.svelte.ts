// The question before anything is sent, and the memory of what was done.

import { app } from "../state.svelte";
import { type Plan, send } from "./kube";

class Ask {
  plan = $state.raw<Plan | undefined>();
  busy = $state(false);
  /** What was done, the latest first. */
  done = $state.raw<{ title: string; outcome: string; ok: boolean }[]>([]);

  /** Shows a plan; a plan that cannot be made is told as why. */
  async about(make: Plan | Promise<Plan>): Promise<void> {
    try {
      this.plan = await make;
    } catch (error) {
      app.fail("This cannot be done", error);
    }
  }

  async send(): Promise<void> {
    const plan = this.plan;
    if (!plan || this.busy) return;
    this.busy = true;
    let sent = 0;
    try {
      for (const request of plan.requests) {
        await send(request);
        sent += 1;
      }
      this.remember(plan.title, "done", true);
    } catch (error) {
      this.remember(plan.title, `${sent ? `the first ${sent} were done, then: ` : ""}${(error as Error).message}`, false);
    }
    this.busy = false;
    this.plan = undefined;
  }

  /** Control of time and branches: no question, it changes no object. */
  async steer(title: string, make: Plan["requests"][0]): Promise<void> {
    try {
      await send(make);
    } catch (error) {
      app.fail(title, error);
    }
  }

  remember(title: string, outcome: string, ok: boolean): void {
    this.done = [{ title, outcome, ok }, ...this.done].slice(0, 30);
    if (!ok) app.tell("bad", `${title}: ${outcome}`);
  }
}

export const ask = new Ask();
