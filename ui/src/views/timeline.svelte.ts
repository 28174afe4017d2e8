// What part of the run the timeline shows, in the unit of its axis, and the keys that change it.

import { chain } from "../model/causes";
import { app } from "../state.svelte";

class TimelineWindow {
  /** `steps`: each step is as wide as the next, for reading causes; `time`: true to scale. */
  axis = $state<"steps" | "time">("steps");
  from = $state(0);
  to = $state(120);
  openKubelets = $state(false);
  filter = $state("");
  types = $state.raw<Set<string>>(new Set());
  private of: unknown;

  position(step: number): number {
    return this.axis === "steps" ? step : (app.run?.time[step] ?? 0);
  }

  /** The whole run, in the axis' unit. */
  bounds(): [number, number] {
    const run = app.run;
    if (!run) return [0, 1];
    if (this.axis === "steps") return [-1, Math.max(10, run.last + 1)];
    const room = (run.end - run.time[0]) * 0.02 || 1;
    return [run.time[0] - room, run.end + room];
  }

  set(from: number, to: number): void {
    const [low, high] = this.bounds();
    const width = Math.min(Math.max(to - from, this.axis === "steps" ? 8 : 200), high - low);
    this.from = Math.max(low, Math.min(from, high - width));
    this.to = this.from + width;
  }

  /** Starts anew for another run, and moves along when the moment leaves the window. */
  follow(): void {
    if (this.of !== app.run) {
      this.of = app.run;
      const [low, high] = this.bounds();
      const width = this.axis === "steps" ? Math.min(160, high - low) : high - low;
      this.set(this.position(app.step) - width / 2, this.position(app.step) + width / 2);
    }
    const at = this.position(app.step);
    const width = this.to - this.from;
    if (at < this.from + width * 0.02 || at > this.to - width * 0.02) this.set(at - width * 0.4, at + width * 0.6);
  }

  zoom(factor: number, around = this.position(app.step)): void {
    this.set(around - (around - this.from) * factor, around + (this.to - around) * factor);
  }

  pan(share: number): void {
    const width = this.to - this.from;
    this.set(this.from + width * share, this.to + width * share);
  }

  all(): void {
    this.set(...this.bounds());
  }

  /** As wide as the chain of causes and the first effects of this step need. */
  chain(): void {
    const run = app.run;
    if (!run) return;
    const steps = [...chain(run, app.step).map((link) => link.step), ...run.effects(app.step, 5)].map((step) => this.position(step));
    const [low, high] = [Math.min(...steps), Math.max(...steps)];
    const room = Math.max((high - low) * 0.15, this.axis === "steps" ? 3 : 500);
    this.set(low - room, high + room);
  }

  turn(): void {
    this.axis = this.axis === "steps" ? "time" : "steps";
    this.of = undefined;
    this.follow();
  }
}

export const shown = new TimelineWindow();

export const timelineKeys = {
  zoom: (factor: number) => shown.zoom(factor),
  all: () => shown.all(),
  chain: () => shown.chain(),
  axis: () => shown.turn(),
  pan: (share: number) => shown.pan(share),
};
