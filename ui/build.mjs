// Builds the page: ui/dist/index.html, app.js, app.css (served), single.html (everything in one file), .source-hash.
// Fixed names, no source maps, the same bytes each time.
//
// The source hash, to be recomputed without Node: for each file of `ui/src` (all, at any depth) and each of FILES below, the
// line `PATH\tSHA256\n`, PATH relative to `ui/` with `/`, SHA256 of the file's bytes in lower-case hexadecimal; the lines
// sorted by PATH as bytes; `.source-hash` holds the SHA-256 of these lines joined, in hexadecimal, and a newline.

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { build } from "vite";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const FILES = ["build.mjs", "index.html", "package-lock.json", "package.json", "svelte.config.js", "tsconfig.json"];
const digest = (bytes, form = "hex") => createHash("sha256").update(bytes).digest(form);

/** The code and the style of the page; `live` says whether it can talk to a server. */
async function bundle(live) {
  const result = await build({
    root: here,
    configFile: false,
    logLevel: "warn",
    plugins: [svelte()],
    define: { __LIVE__: String(live) },
    build: {
      write: false,
      target: "es2022",
      sourcemap: false,
      cssCodeSplit: false,
      modulePreload: false,
      reportCompressedSize: false,
      chunkSizeWarningLimit: 2000,
      rolldownOptions: { input: join(here, "src/main.ts"), output: { entryFileNames: "app.js", codeSplitting: false } },
    },
  });
  const output = (Array.isArray(result) ? result[0] : result).output;
  const chunks = output.filter((part) => part.type === "chunk");
  if (chunks.length !== 1) throw new Error(`one file of code was expected, not ${chunks.map((c) => c.fileName).join(", ")}`);
  const css = output
    .filter((part) => part.type === "asset" && part.fileName.endsWith(".css"))
    .map((part) => part.source)
    .join("\n");
  return { js: chunks[0].code, css: String(css) };
}

function sourceHash() {
  const walk = (folder) =>
    readdirSync(join(here, folder), { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? walk(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`],
    );
  const paths = [...walk("src"), ...FILES].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return digest(paths.map((path) => `${path}\t${digest(readFileSync(join(here, path)))}\n`).join(""));
}

const template = readFileSync(join(here, "index.html"), "utf8");
const fill = (parts) => Object.entries(parts).reduce((html, [name, text]) => html.replace(`<!--${name}-->`, () => text), template);

const served = await bundle(true);
const single = await bundle(false);
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
writeFileSync(join(dist, "app.js"), served.js);
writeFileSync(join(dist, "app.css"), served.css);
writeFileSync(
  join(dist, "index.html"),
  fill({ policy: "", style: '<link rel="stylesheet" href="app.css">', document: "", script: '<script type="module" src="app.js"></script>' }),
);
const js = single.js.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
const policy = `default-src 'none'; script-src 'sha256-${digest(js, "base64")}'; style-src 'sha256-${digest(single.css, "base64")}'; img-src data: blob:; base-uri 'none'; form-action 'none'`;
writeFileSync(
  join(dist, "single.html"),
  fill({
    policy: `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    style: `<style>${single.css}</style>`,
    document: "<!--ksim-document-->",
    script: `<script type="module">${js}</script>`,
  }),
);
writeFileSync(join(dist, ".source-hash"), `${sourceHash()}\n`);
