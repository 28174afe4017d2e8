// The browser tests: they drive the built page (`npm run build` first) in Debian's chromium.
import { defineConfig } from "vitest/config";

export default defineConfig({ test: { include: ["**/*.spec.ts"], testTimeout: 120_000, hookTimeout: 60_000, fileParallelism: false, retry: 1 } });
