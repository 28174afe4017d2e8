// Light, dark, or as the system has it. Kept where the browser lets the page keep something.

import { app, type Theme } from "./state.svelte";

const KEY = "ksim.theme";
const ORDER: Theme[] = ["system", "light", "dark"];

export function startTheme(): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (app.themeTurns += 1));
  let kept: string | null = null;
  try {
    kept = localStorage.getItem(KEY);
  } catch {
    // A page from disk may have no storage: the system's theme then.
  }
  setTheme(ORDER.includes(kept as Theme) ? (kept as Theme) : "system");
}

export function setTheme(theme: Theme): void {
  app.theme = theme;
  app.themeTurns += 1;
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // See above.
  }
}

export function nextTheme(): void {
  setTheme(ORDER[(ORDER.indexOf(app.theme) + 1) % ORDER.length]);
}
