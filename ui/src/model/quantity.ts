// Kubernetes quantities, as exact as the page needs them: CPU in thousandths of a core, everything else in whole units.

const SUFFIX: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** A quantity as a number of its unit; `undefined` when it is none. */
export function quantity(text: unknown): number | undefined {
  if (typeof text === "number") return text;
  const parts = typeof text === "string" ? /^([+-]?[\d.]+(?:[eE][+-]?\d+)?)([A-Za-z]{0,2})$/.exec(text) : null;
  if (!parts || !(parts[2] in SUFFIX)) return undefined;
  const value = Number(parts[1]) * SUFFIX[parts[2]];
  return Number.isFinite(value) ? value : undefined;
}

/** A quantity of a resource in the words people use: `250m`, `1.5`, `64Mi`. */
export function amount(resource: string, value: number): string {
  if (resource === "cpu") return Math.abs(value % 1) > 1e-9 ? `${Math.round(value * 1000)}m` : String(Math.round(value));
  if (resource !== "memory" && !resource.includes("storage")) return String(Math.round(value * 1000) / 1000);
  for (const suffix of ["Gi", "Mi", "Ki"]) if (Math.abs(value) >= SUFFIX[suffix]) return `${Number((value / SUFFIX[suffix]).toFixed(1))}${suffix}`;
  return String(Math.round(value));
}
