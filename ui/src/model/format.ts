// Times, durations and counts as the page writes them.

/** Microseconds as `12.345 s`, `1:02.345`, `-30.000 s`: always to the millisecond, so columns stay put. */
export function clock(micros: number): string {
  const sign = micros < 0 ? "−" : "";
  const millis = Math.round(Math.abs(micros) / 1000);
  const [seconds, rest] = [Math.floor(millis / 1000), String(millis % 1000).padStart(3, "0")];
  if (seconds < 60) return `${sign}${seconds}.${rest} s`;
  const [minutes, second] = [Math.floor(seconds / 60), String(seconds % 60).padStart(2, "0")];
  if (minutes < 60) return `${sign}${minutes}:${second}.${rest}`;
  return `${sign}${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${second}.${rest}`;
}

/** A span as `850 µs`, `12 ms`, `3.4 s`, `2 min 5 s`. */
export function span(micros: number): string {
  const size = Math.abs(micros);
  if (size < 1000) return `${Math.round(micros)} µs`;
  if (size < 1e6) return `${trim(micros / 1000, size < 1e4 ? 1 : 0)} ms`;
  if (size < 60e6) return `${trim(micros / 1e6, size < 10e6 ? 2 : 1)} s`;
  const seconds = Math.round(micros / 1e6);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
}

function trim(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

/** RFC 3339 to microseconds since an epoch of milliseconds; `undefined` when it is no time. */
export function since(epoch: number, text: unknown): number | undefined {
  const at = typeof text === "string" ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : (at - epoch) * 1000;
}

/** The wall time of a moment: `00:01:00.659`. */
export function wall(epoch: number, micros: number): string {
  return new Date(epoch + micros / 1000).toISOString().slice(11, 23);
}

export function plainKind(kind: string): string {
  return kind.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
}
