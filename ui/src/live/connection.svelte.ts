// The connection to the server the page came from: the token out of the address, the document as it grows by long polls, and
// what is said when the server goes away. Nothing here acts on the cluster.

import { Reader } from "../model/read";
import { Damaged } from "../model/run";
import { app } from "../state.svelte";

const TOKEN = "ksim.token";
/** Real milliseconds between attempts to reach a server that went away. */
const AGAIN = 2_000;

interface Standing {
  generation: number;
  branch: string;
  branches: string[];
  now: number;
  speed: string;
  restart: boolean;
}

class Connection {
  speed = $state("");
  branches = $state.raw<string[]>([]);
  /** `off` without a server, `on`, or `gone` when it stopped answering. */
  state = $state<"off" | "on" | "gone">("off");
  token = "";
  private generation = 0;
  private reader = new Reader();

  async run(): Promise<void> {
    for (;;) {
      try {
        await this.poll();
        if (this.state === "gone") app.messages = app.messages.filter((m) => !m.text.startsWith("The server does not answer"));
        this.state = "on";
      } catch (error) {
        if (error instanceof Refused) {
          app.tell("bad", error.message);
          this.state = "off";
          return;
        }
        if (error instanceof Damaged) app.fail("What the server sent cannot be read", error);
        else if (this.state !== "gone")
          app.tell(
            "bad",
            `The server does not answer (${(error as Error).message}). ${app.run ? "What is shown is what was known by then; trying again." : "Trying again."}`,
          );
        this.state = "gone";
        this.generation = 0;
        await new Promise((done) => setTimeout(done, AGAIN));
      }
    }
  }

  private async poll(): Promise<void> {
    const from = this.generation === 0 ? 0 : (this.reader.run?.steps.length ?? 0);
    const answer = await fetch(`/ksim/v1/view?generation=${this.generation}&from=${from}`, { headers: this.headers() });
    if (answer.status === 401 || answer.status === 403)
      throw new Refused("The server does not accept this page's token. Open the address that ksim serve printed.");
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    const lines = (await answer.text()).split("\n");
    const standing: Standing = JSON.parse(lines[0]);
    const before = this.reader.run;
    // The present went on as another branch: what there is up to here is the one it left.
    if (!standing.restart && before && app.branch && standing.branch !== app.branch) app.keep(app.branch, before.copy());
    if (standing.restart) this.reader = new Reader();
    for (const line of lines.slice(1)) this.reader.take(line);
    this.take(standing, before);
  }

  private take(standing: Standing, before: Reader["run"]): void {
    const { run } = this.reader;
    this.generation = standing.generation;
    this.speed = standing.speed;
    this.branches = standing.branches ?? [];
    if (!run || run.steps.length === 0) return;
    run.end = Math.max(run.end, standing.now);
    app.live = true;
    app.kept = app.kept.filter((kept) => kept.name !== standing.branch);
    if (standing.restart) {
      if (before && app.branch && app.branch !== standing.branch) app.keep(app.branch, before);
      app.branch = standing.branch;
      const first = app.run !== before || !before;
      app.show(run, !first);
      if (app.follow) app.step = run.last;
      return;
    }
    if (app.run !== run) return;
    app.branch = standing.branch;
    app.parts += 1;
    if (app.follow) app.step = run.last;
  }

  headers(): Record<string, string> {
    return { Authorization: `Bearer ${this.token}` };
  }
}

class Refused extends Error {}

export const connection = new Connection();

/** Takes the token out of the address, so that a copied address does not hold it. */
function takeToken(): string {
  const found = /(?:^#|&)token=([^&]*)/.exec(location.hash);
  if (found) {
    history.replaceState(null, "", location.href.replace(/([#&])token=[^&]*&?/, "$1").replace(/[#&]$/, ""));
    try {
      sessionStorage.setItem(TOKEN, found[1]);
    } catch {
      // Without storage the token lasts as long as the page.
    }
    return decodeURIComponent(found[1]);
  }
  try {
    return decodeURIComponent(sessionStorage.getItem(TOKEN) ?? "");
  } catch {
    return "";
  }
}

export async function connect(): Promise<void> {
  if (location.protocol === "file:") return;
  connection.token = takeToken();
  if (!connection.token) return;
  app.loading = "Asking the server what has happened";
  const once = setInterval(() => {
    if (connection.state !== "off" || app.messages.length) {
      app.loading = undefined;
      clearInterval(once);
    }
  }, 50);
  void connection.run();
}
