// Draws the timeline with a pen: lanes, marks (a shape per sort of step), the causes and effects of the moment as arrows.

import { chain } from "../model/causes";
import { clock } from "../model/format";
import { type Lane, laneOf } from "../model/lanes";
import { lastAtMost, type Run } from "../model/run";
import type { Pen } from "../parts/pen";

export const GUTTER = 190;
export const LANE = 24;
export const AXIS = 22;

export interface Colors {
  ink: string;
  muted: string;
  line: string;
  faint: string;
  accent: string;
  bad: string;
  panel: string;
  soft: string;
}

export interface Scene {
  run: Run;
  step: number;
  selected: number;
  lanes: Lane[];
  axis: "steps" | "time";
  from: number;
  to: number;
  width: number;
  colors: Colors;
}

export function height(lanes: Lane[]): number {
  return AXIS + lanes.length * LANE + 6;
}

/** Where a step is, in pixels. */
export function x(scene: Scene, step: number): number {
  const at = scene.axis === "steps" ? step : scene.run.time[step];
  return place(scene, at);
}

function place(scene: Scene, at: number): number {
  return GUTTER + ((at - scene.from) / (scene.to - scene.from)) * (scene.width - GUTTER - 10);
}

export function draw(pen: Pen, scene: Scene): void {
  background(pen, scene);
  scene.lanes.forEach((lane, i) => marks(pen, scene, lane, AXIS + i * LANE + LANE / 2));
  arrows(pen, scene);
  moment(pen, scene);
}

function background(pen: Pen, scene: Scene): void {
  const { colors, width, lanes } = scene;
  lanes.forEach((lane, i) => {
    const y = AXIS + i * LANE;
    pen.line(
      [
        [0, y],
        [width, y],
      ],
      colors.faint,
    );
    pen.text(GUTTER - 12, y + LANE / 2 + 4, fit(lane.label), colors.ink, "right");
  });
  for (const [at, label] of ticks(scene)) {
    const px = place(scene, at);
    pen.line(
      [
        [px, AXIS - 4],
        [px, height(lanes)],
      ],
      colors.faint,
    );
    pen.text(px, AXIS - 8, label, colors.muted, "center");
  }
}

function fit(label: string): string {
  return label.length > 29 ? `${label.slice(0, 28)}…` : label;
}

function ticks(scene: Scene): [number, string][] {
  const { run, from, to, width, axis } = scene;
  const most = Math.max(2, (width - GUTTER) / 110);
  const found: [number, string][] = [];
  let step = 10 ** Math.floor(Math.log10((to - from) / most));
  while ((to - from) / step > most) step *= (to - from) / (step * 2) > most ? ((to - from) / (step * 5) > most ? 10 : 5) : 2;
  if (axis === "steps") step = Math.max(1, Math.round(step));
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
    if (axis === "time") found.push([at, clock(at)]);
    else if (at >= 0 && at <= run.last) found.push([at, clock(run.time[at])]);
  }
  return found;
}

/** The positions of a lane's steps that are in the window. */
export function range(scene: Scene, lane: Lane): [number, number] {
  const { run, axis, from, to } = scene;
  const low = axis === "steps" ? from : run.stepAtTime(from) - 1;
  const high = axis === "steps" ? to : run.stepAtTime(to);
  return [lastAtMost(lane.steps, low - 0.001) + 1, lastAtMost(lane.steps, high) + 1];
}

function marks(pen: Pen, scene: Scene, lane: Lane, y: number): void {
  const { colors, run } = scene;
  for (const watch of lane.watches) {
    const [low, high] = [lastAtMost(watch.times, scene.axis === "time" ? scene.from : run.time[Math.max(0, Math.floor(scene.from))]), watch.times.length];
    for (let i = Math.max(0, low), drawn = -9; i < high; i++) {
      const px = place(scene, scene.axis === "time" ? watch.times[i] : run.stepAtTime(watch.times[i]));
      if (px > scene.width) break;
      if (px < GUTTER || px - drawn < 2) continue;
      pen.line(
        [
          [px, y - 4],
          [px, y + 4],
        ],
        colors.muted,
      );
      drawn = px;
    }
  }
  const [first, last] = range(scene, lane);
  if (last - first > 1200) {
    dense(pen, scene, lane, y, first, last);
    return;
  }
  for (let i = first; i < last; i++) mark(pen, scene, lane.steps[i], y);
}

/** Too many for marks of their own: a bar per two pixels, as high as there are many. */
function dense(pen: Pen, scene: Scene, lane: Lane, y: number, first: number, last: number): void {
  const bins = new Map<number, number>();
  for (let i = first; i < last; i++) {
    const px = Math.floor(x(scene, lane.steps[i]) / 2) * 2;
    bins.set(px, (bins.get(px) ?? 0) + 1);
  }
  for (const [px, n] of bins) {
    const h = Math.min(LANE / 2 - 3, 2 + Math.log2(n) * 1.6);
    pen.shape(
      [
        [px, y - h],
        [px + 1.6, y - h],
        [px + 1.6, y + h],
        [px, y + h],
      ],
      scene.colors.muted,
    );
  }
}

function mark(pen: Pen, scene: Scene, step: number, y: number): void {
  const { run, colors } = scene;
  const px = x(scene, step);
  if (px < GUTTER - 4) return;
  const [type, s] = [run.typeOf(step), run.steps[step]];
  const own = scene.selected >= 0 && run.keyOfStep[step] === scene.selected;
  const color = own ? colors.accent : colors.muted;
  if (type === "c") pen.circle(px, y, s[6] === 1 ? 3 : 4, s[6] === 2 ? colors.panel : color, s[6] === 2 ? color : undefined);
  else if (type === "r")
    pen.shape(
      [
        [px - 3, y - 3],
        [px + 3, y - 3],
        [px + 3, y + 3],
        [px - 3, y + 3],
      ],
      s[5] ? color : colors.panel,
      color,
    );
  else if (type === "s")
    pen.shape(
      [
        [px, y - 5],
        [px + 5, y],
        [px, y + 5],
        [px - 5, y],
      ],
      s[4].chosen ? color : colors.bad,
    );
  else if (type === "a")
    pen.shape(
      [
        [px - 4, y - 5],
        [px + 5, y],
        [px - 4, y + 5],
      ],
      colors.ink,
    );
  else if (type === "d")
    pen.shape(
      [
        [px + 2, y - 5],
        [px + 2, y + 5],
        [px - 1, y + 5],
        [px - 1, y - 5],
      ],
      s[5] ? colors.bad : colors.muted,
    );
  else if (type === "f" || type === "x" || (type === "h" && (s[9] || s[7] >= 500))) cross(pen, px, y, colors.bad);
  else if (type === "n" && /exited|Failed|BackOff|Unhealthy|OOM/.test(s[5]))
    pen.shape(
      [
        [px, y - 5],
        [px + 5, y + 4],
        [px - 5, y + 4],
      ],
      colors.bad,
    );
  else
    pen.line(
      [
        [px, y - 4],
        [px, y + 4],
      ],
      color,
      2,
    );
}

function cross(pen: Pen, px: number, y: number, color: string): void {
  pen.line(
    [
      [px - 4, y - 4],
      [px + 4, y + 4],
    ],
    color,
    2,
  );
  pen.line(
    [
      [px - 4, y + 4],
      [px + 4, y - 4],
    ],
    color,
    2,
  );
}

function arrows(pen: Pen, scene: Scene): void {
  const { run, step, colors } = scene;
  for (const effect of run.effects(step, 24)) arrow(pen, scene, step, effect, colors.muted, 1, []);
  const links = chain(run, step, 40);
  for (let i = 1; i < links.length; i++) arrow(pen, scene, links[i].step, links[i - 1].step, colors.accent, i === 1 ? 2.2 : i < 5 ? 1.2 : 0.6, []);
}

function arrow(pen: Pen, scene: Scene, from: number, to: number, color: string, width: number, dash: number[]): void {
  const [a, b] = [laneY(scene, from), laneY(scene, to)];
  if (a === undefined || b === undefined) return;
  const [x1, x2] = [Math.max(GUTTER - 4, x(scene, from)), x(scene, to)];
  if (x2 < GUTTER || x1 > scene.width) return;
  const bend = Math.max(14, Math.min(60, Math.abs(x2 - x1) / 2));
  const lift = a === b ? -14 : 0;
  pen.curve([x1, a], [x1 + bend, a + lift], [x2 - bend, b + lift], [x2 - 4, b], color, width, dash);
  pen.shape(
    [
      [x2 - 1, b],
      [x2 - 8, b - 3.5],
      [x2 - 8, b + 3.5],
    ],
    color,
  );
}

function laneY(scene: Scene, step: number): number | undefined {
  const id = laneOf(scene.run, step);
  const at = scene.lanes.findIndex((lane) => lane.id === id || lane.folds.includes(id));
  return at < 0 ? undefined : AXIS + at * LANE + LANE / 2;
}

function moment(pen: Pen, scene: Scene): void {
  const { colors, step, lanes } = scene;
  const px = x(scene, step);
  if (px < GUTTER || px > scene.width) return;
  pen.line(
    [
      [px, AXIS - 6],
      [px, height(lanes)],
    ],
    colors.accent,
    1,
  );
  const y = laneY(scene, step);
  if (y === undefined) return;
  pen.circle(px, y, 7, "transparent", colors.accent);
}
