// Where the page starts: finds its run (inside the page, or from the server it came from), and shows it.

import "./style.css";
import { mount } from "svelte";
import App from "./App.svelte";
import { openFile } from "./files";
import { listen } from "./keys";
import { readEmbedded } from "./model/read";
import { app } from "./state.svelte";
import { startTheme } from "./theme";

window.__ksimFrames = 0;
startTheme();
listen();
app.open(location.hash);
window.addEventListener("hashchange", () => app.open(location.hash));

async function start(): Promise<void> {
  const embedded = document.getElementById("ksim-document");
  if (embedded) {
    app.loading = "Reading the run inside this page";
    try {
      app.show(await readEmbedded(embedded.textContent ?? ""));
    } catch (error) {
      app.fail("The run inside this page cannot be shown", error);
    }
    app.loading = undefined;
  } else if (__LIVE__) {
    const { connect } = await import("./live/connection.svelte");
    await connect();
  }
}

window.addEventListener("dragover", (event) => event.preventDefault());
window.addEventListener("drop", (event) => {
  event.preventDefault();
  for (const file of event.dataTransfer?.files ?? []) void openFile(file);
});
mount(App, { target: document.getElementById("app") as HTMLElement });
void start();
