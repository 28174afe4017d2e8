/** Whether this build can talk to a server. */
declare const __LIVE__: boolean;

interface Window {
  /** How many times the page drew or worked by itself: stands still while it is paused. For tests. */
  __ksimFrames: number;
}

declare module "*.css";
