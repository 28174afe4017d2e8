// Playing a run: virtual time runs on at a speed, and where nothing happens for long it does not make anyone wait. While it is
// paused there is no timer and no frame.

import { app } from "./state.svelte";

export const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300];
/** How long a pause without any step is shown, in real milliseconds. */
const LONGEST_WAIT = 900;

class Player {
  playing = $state(false);
  speed = $state(1);
  private at = 0;
  private last = 0;
  private waited = 0;

  toggle(): void {
    if (this.playing) this.stop();
    else this.start();
  }

  start(): void {
    const run = app.run;
    if (!run) return;
    if (app.step >= run.last) app.go(0);
    this.playing = true;
    this.at = run.time[app.step];
    this.last = performance.now();
    this.waited = 0;
    requestAnimationFrame(this.frame);
  }

  stop(): void {
    this.playing = false;
  }

  faster(direction: 1 | -1): void {
    const at = SPEEDS.indexOf(this.speed);
    this.speed = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, at + direction))];
  }

  private frame = (now: number): void => {
    if (!this.playing || !app.run) return;
    window.__ksimFrames += 1;
    const passed = Math.min(100, Math.max(0, now - this.last));
    this.last = now;
    const run = app.run;
    if (app.step >= run.last) {
      this.stop();
      return;
    }
    this.at = Math.max(this.at, run.time[app.step]) + passed * 1000 * this.speed;
    this.waited += passed;
    if (this.waited > LONGEST_WAIT) this.at = Math.max(this.at, run.time[app.step + 1]);
    const reached = run.stepAtTime(this.at);
    if (reached > app.step) {
      app.go(reached);
      this.waited = 0;
    }
    requestAnimationFrame(this.frame);
  };
}

export const player = new Player();
