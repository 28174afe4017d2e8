// What the page is looking at. The run itself is plain data; `parts` counts its growth, so that views follow a live one.

import { because } from "./model/causes";
import { decode, encode, misfits, type Place, type View } from "./model/link";
import { Damaged, type Run } from "./model/run";

export type Theme = "system" | "light" | "dark";
export interface Message {
  mood: "bad" | "note";
  text: string;
}

class App {
  run = $state.raw<Run | undefined>();
  parts = $state(0);
  step = $state(0);
  /** The object that is selected, as a key; -1 for none. */
  selected = $state(-1);
  view = $state<View>("overview");
  side = $state(true);
  asTable = $state(false);
  theme = $state<Theme>("system");
  /** Counts changes of colour, for what is drawn on a canvas. */
  themeTurns = $state(0);
  messages = $state.raw<Message[]>([]);
  loading = $state<string | undefined>();
  dialog = $state<"help" | "search" | "open" | undefined>();
  /** The runs that are kept to compare with, by name. */
  kept = $state.raw<{ name: string; run: Run }[]>([]);
  /** The branch of a live cluster. */
  branch = $state("");
  live = $state(false);
  /** A live page shows what happens last until the user looks elsewhere. */
  follow = $state(true);
  private asked: Place = {};

  /** The run and the moment together: what views derive from. */
  now = $derived.by(() => {
    void this.parts;
    return this.run ? { run: this.run, step: Math.min(this.step, this.run.last) } : undefined;
  });

  show(run: Run, keepMoment = false): void {
    const object = keepMoment && this.run && this.selected >= 0 ? this.run.keys[this.selected].id : undefined;
    this.run = run;
    this.parts += 1;
    this.selected = object === undefined ? -1 : (run.byId.get(object) ?? -1);
    this.step = keepMoment ? Math.min(this.step, run.last) : firstInteresting(run);
    this.apply(this.asked);
    this.asked = {};
  }

  /** Goes where an address says, and tells what does not fit. */
  open(hash: string): void {
    const { place, wrong } = decode(hash);
    if (wrong.length) this.tell("bad", `The link is damaged: ${wrong.join("; ")}. The rest of it is followed.`);
    if (this.run) this.apply(place);
    else this.asked = place;
    if (place.view) this.view = place.view;
  }

  private apply(place: Place): void {
    const run = this.run as Run;
    const wrong = misfits(place, run);
    if (wrong.length) this.tell("bad", `The link does not fit this run: ${wrong.join("; ")}.`);
    if (place.step !== undefined) this.go(Math.min(place.step, run.last));
    if (place.object !== undefined) this.selected = run.byId.get(place.object) ?? this.selected;
    if (place.view) this.view = place.view;
  }

  address(): string {
    if (!this.run) return "";
    const object = this.selected >= 0 ? this.run.keys[this.selected].id : undefined;
    return encode({ run: this.run.head.name, branch: this.branch, step: this.step, object, view: this.view });
  }

  go(step: number): void {
    if (!this.run) return;
    this.step = Math.max(0, Math.min(step, this.run.last));
    this.follow = this.live && this.step === this.run.last;
  }

  select(key: number): void {
    this.selected = key;
    if (key >= 0) this.side = true;
  }

  /** Looks at a step and at what it is about. */
  visit(step: number): void {
    this.go(step);
    const key = this.run?.keyOfStep[step] ?? -1;
    if (key >= 0 && this.run?.keys[key].kind !== "Event") this.select(key);
  }

  /** The next (1) or previous (-1) change of the selected object. */
  change(direction: 1 | -1): void {
    if (!this.run || this.selected < 0) return;
    const steps = this.run.versions[this.selected];
    const next = direction > 0 ? steps.find((s) => s > this.step) : steps.findLast((s) => s < this.step);
    if (next !== undefined) this.go(next);
  }

  toCause(): void {
    const link = this.run && because(this.run, this.step);
    if (link) this.visit(link.step);
  }

  toEffect(): void {
    const effect = this.run?.effects(this.step, 1)[0];
    if (effect !== undefined) this.visit(effect);
  }

  tell(mood: Message["mood"], text: string): void {
    if (!this.messages.some((m) => m.text === text)) this.messages = [...this.messages, { mood, text }].slice(-4);
  }

  /** Tells of an error in the words of what failed. */
  fail(what: string, error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    this.tell("bad", error instanceof Damaged ? `${what}: ${text}` : `${what} failed: ${text}`);
  }

  dismiss(message: Message): void {
    this.messages = this.messages.filter((m) => m !== message);
  }

  keep(name: string, run: Run): void {
    this.kept = [...this.kept.filter((k) => k.name !== name), { name, run }];
  }
}

/** The first thing a user did, or the end of a run in which nobody did anything. */
function firstInteresting(run: Run): number {
  return run.ofType.a?.[0] ?? run.last;
}

export const app = new App();
