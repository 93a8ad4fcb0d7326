// Build styles, scripts and icons into ../static/dist: hashed names and manifest.json.
// `npm run build` once; `npm run watch` while working.
import { createHash } from "node:crypto";
import { watch } from "node:fs";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.resolve(HERE, "../../../..");
const OUT = path.resolve(HERE, "../static/dist");
const LUCIDE = path.join(ROOT, "node_modules/lucide-static/icons");
const ENTRIES = ["css/app.css", "css/work.css", "js/app.js"];

const OPTIONS = {
  entryPoints: ENTRIES.map((file) => path.join(HERE, file)),
  outdir: OUT,
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  minify: true,
  target: ["chrome90", "safari15", "firefox90"],
  metafile: true,
  legalComments: "eof",
  logLevel: "warning",
  write: false,
};

/** One SVG file with a <symbol> for each icon named in icons.json. */
async function sprite() {
  const names = JSON.parse(await readFile(path.join(HERE, "icons.json"), "utf8"));
  const symbols = [];
  for (const [ours, theirs] of Object.entries(names)) {
    const svg = await readFile(path.join(LUCIDE, `${theirs}.svg`), "utf8");
    const shapes = svg.replace(/^[\s\S]*?<svg[\s\S]*?>/, "").replace(/<\/svg>\s*$/, "");
    const tight = shapes.replace(/\s*\n\s*/g, "");
    symbols.push(`<symbol id="${ours}" viewBox="0 0 24 24">${tight}</symbol>`);
  }
  const notice = "<!-- Icons: lucide-static, ISC licence, https://lucide.dev/license -->";
  const text = `${notice}<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>\n`;
  return { name: `icons-${hashed(text)}.svg`, text, icons: Object.keys(names) };
}

/** The icon of the tab. */
async function favicon() {
  const text = await readFile(path.join(HERE, "favicon.svg"), "utf8");
  return { name: `favicon-${hashed(text)}.svg`, text };
}

function hashed(text) {
  return createHash("sha256").update(text).digest("hex").slice(0, 8).toUpperCase();
}

/** What the built scripts load at once besides themselves, to preload. */
function preloads(metafile, file) {
  return metafile.outputs[file].imports
    .filter((one) => one.kind === "import-statement")
    .map((one) => path.basename(one.path));
}

async function build() {
  const started = Date.now();
  const [bundle, icons, tab] = await Promise.all([esbuild.build(OPTIONS), sprite(), favicon()]);
  const manifest = { files: {}, preload: {}, icons: icons.icons };
  await mkdir(OUT, { recursive: true });
  const kept = new Set(["manifest.json"]);
  for (const [source, file] of Object.entries({ "icons.svg": icons, "favicon.svg": tab })) {
    await writeFile(path.join(OUT, file.name), file.text);
    kept.add(file.name);
    manifest.files[source] = file.name;
  }
  for (const file of bundle.outputFiles) {
    await writeFile(file.path, file.contents);
    kept.add(path.basename(file.path));
  }
  for (const [file, output] of Object.entries(bundle.metafile.outputs)) {
    if (!output.entryPoint) continue;
    const source = path.basename(output.entryPoint);
    if (!ENTRIES.some((entry) => path.basename(entry) === source)) continue;
    manifest.files[source] = path.basename(file);
    const needed = preloads(bundle.metafile, file);
    if (needed.length > 0) manifest.preload[source] = needed;
  }
  const fresh = path.join(OUT, "manifest.json.new");
  await writeFile(fresh, `${JSON.stringify(manifest, null, 2)}\n`);
  await rename(fresh, path.join(OUT, "manifest.json"));
  for (const old of await readdir(OUT)) {
    if (!kept.has(old)) await rm(path.join(OUT, old));
  }
  console.log(`static: ${kept.size} files in ${Date.now() - started} ms`);
}

await build();
if (process.argv.includes("--watch")) {
  let timer;
  watch(HERE, { recursive: true }, () => {
    clearTimeout(timer);
    timer = setTimeout(() => build().catch((fault) => console.error(fault.message)), 100);
  });
}
