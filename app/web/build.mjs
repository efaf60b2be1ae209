// Build the browser side: TypeScript in, dist/ out. `node build.mjs [--out DIR] [--watch]`
//
// dist/ is replaced whole and at once, so that a service that is starting never finds half of it. Every file but
// manifest.json and sw.js carries a digest of its content in its name. Each is there three times: plain, .gz and .br.
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";

const ROOT = dirname(fileURLToPath(import.meta.url));
// Which browsers are meant: README, "The browser". Older engines get the plain page.
export const TARGET = ["chrome87", "firefox91", "safari15"];
const DRAWING = join(ROOT, "drawing/preact.ts");
export const ALIAS = {
  preact: DRAWING,
  "preact/hooks": DRAWING,
  "preact/jsx-runtime": DRAWING,
  "@inkfast/outbox": join(ROOT, "outbox/src/index.ts"),
  "@inkfast/outbox/receipt": join(ROOT, "outbox/src/receipt.ts"),
  "@inkfast/outbox/rescue": join(ROOT, "outbox/src/rescue.ts"),
};
const ASSETS = "/app/assets";
const PAGES = ["home", "gradebook", "attendance", "receipts", "compatibility"];

/** Every source of the build, by its path. */
function sources() {
  const found = [];
  const skipped = new Set(["node_modules", "dist", "plain", "test", "conformance", "examples"]);
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (skipped.has(entry.name) || entry.name.startsWith(".")) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else found.push({ path: relative(ROOT, path), body: readFileSync(path) });
    }
  };
  walk(ROOT);
  return found;
}

/** What the sources are: a digest over every file that goes into the build, so that a stale dist/ is noticed. */
export function digestOfSources() {
  const hash = createHash("sha256");
  for (const { path, body } of sources()) hash.update(`${path}\0`).update(body).update("\0");
  return hash.digest("hex");
}

/** The pages that there are: each has a page.html and an entry.ts(x) in its folder. */
function pages() {
  return PAGES.map((name) => {
    const folder = join(ROOT, "pages", name);
    const entry = ["entry.tsx", "entry.ts"].map((file) => join(folder, file)).find(existsSync);
    return { name, folder, entry };
  }).filter(({ entry }) => entry !== undefined);
}

const SETTINGS = {
  absWorkingDir: ROOT,
  bundle: true,
  minify: true,
  format: "esm",
  target: TARGET,
  // Chrome 80 to 90 stumble over one use of it only, a call with spread arguments: a?.(...b), which nothing here makes.
  supported: { "optional-chain": true },
  alias: ALIAS,
  jsx: "automatic",
  jsxImportSource: "preact",
  // The server names a script's map in a header: a line in each script would weigh something.
  sourcemap: "external",
  sourcesContent: true,
  metafile: true,
  legalComments: "none",
  logLevel: "warning",
  loader: { ".svg": "file", ".json": "json" },
};

// Properties of the grid, the pages and the outbox that nothing else knows: no disk, no wire, no other page, no browser. They get short
// names, everywhere the same; 1 % of a page. All others keep theirs, as some are on a disk or on the wire. One in quotes ends the build, or one that a module
// exports: esbuild leaves both as they are.
const INSIDE = [
  "blockedSince", "byWhom", "cellAt", "changesSince", "columnHead", "columnKey", "columnOf", "editsMax", "hostGrid",
  "inZone", "isBusy", "isChangedSince", "isEager", "isEntering", "isOrderKept", "isOut", "isRange", "isReadOnly", "isWaitingForTap", "lastColumn",
  "lastRow", "lookAgain", "openMenu", "rectOf", "redrawCell", "redrawHead", "refreshSoon", "rowEdges", "rowHeads", "rowKey", "rowOf", "rowsSeen",
  "saysValue", "setOrder", "silentSince", "statisticsOfItem", "timeOfDay", "windowMs",
];

// A second pass over each script: as gzip it is 3 % lighter than after esbuild alone. A function stays where it is: written into its only caller it weighs more. What is not said here is as terser has it,
// which changes nothing that a script can tell.
export const SECOND_PASS = { module: true, ecma: 2020, compress: { reduce_funcs: false } };
const { version: TERSER } = JSON.parse(readFileSync(join(ROOT, "node_modules/terser/package.json"), "utf8"));

/** Bundle scripts and styles into `out`/assets; return, for each page, its own files and all that it loads at once. */
async function bundle(out) {
  const found = pages();
  const names = INSIDE.join("|");
  const left = new RegExp(`["'\`](${names})["'\`]|export \\{[^}]*\\b(${names})\\b|export (async )?(function|const|class) (${names})\\b`);
  for (const { path, body } of sources()) {
    const found = /\.(tsx?|json)$/.test(path) && left.exec(body);
    if (found) throw new Error(`${path}: ${found[0]} keeps its name, which is a short one elsewhere (INSIDE in build.mjs)`);
  }
  const result = await build({
    ...SETTINGS,
    mangleProps: new RegExp(`^(${INSIDE.join("|")})$`),
    inject: [join(ROOT, "section", "always.ts")],
    entryPoints: Object.fromEntries([
      ...found.map(({ name, entry }) => [name, entry]),
      ...found.map(({ name, folder }) => [`${name}-style`, join(folder, "page.css")]).filter(([, path]) => existsSync(path)),
    ]),
    outdir: join(out, "assets"),
    entryNames: "[name].[hash]",
    chunkNames: "[name].[hash]",
    assetNames: "[name].[hash]",
    splitting: true,
    publicPath: ASSETS,
    // The digest in a file's name is made before the second pass; with this line, which that pass drops, it is another one when the
    // pass is.
    footer: { js: `// terser ${TERSER} ${JSON.stringify(SECOND_PASS)}` },
  });
  for (const path of Object.keys(result.metafile.outputs)) if (path.endsWith(".js")) await shrink(join(ROOT, path));
  const outputs = Object.entries(result.metafile.outputs).map(([path, output]) => ({ path: join(ROOT, path), ...output }));
  return new Map(
    found.map(({ name, folder, entry }) => {
      const script = outputs.find((output) => output.entryPoint === relative(ROOT, entry));
      const style = outputs.find((output) => output.entryPoint === relative(ROOT, join(folder, "page.css")));
      return [name, { folder, script: script.path, style: style?.path, chunks: importedBy(script, outputs) }];
    }),
  );
}

async function shrink(path) {
  const sourceMap = { content: readFileSync(`${path}.map`, "utf8"), filename: basename(path), includeSources: true };
  const shrunk = await minify(readFileSync(path, "utf8"), { ...SECOND_PASS, sourceMap });
  writeFileSync(path, shrunk.code);
  writeFileSync(`${path}.map`, shrunk.map);
}

/** Every chunk that a script imports before it runs, theirs too. */
function importedBy(script, outputs, seen = new Set()) {
  for (const { path, kind } of script.imports) {
    const chunk = outputs.find((output) => output.path === join(ROOT, path));
    if (kind !== "import-statement" || chunk === undefined || seen.has(chunk.path)) continue;
    seen.add(chunk.path);
    importedBy(chunk, outputs, seen);
  }
  return [...seen];
}

/** Write the pages: a static shell each, which names its files. No inline script and no inline style. */
function writePages(out, bundled) {
  const href = (path) => `/app/${relative(out, path)}`;
  for (const [name, { folder, script, style, chunks }] of bundled) {
    const tags = [
      ...(style ? [`<link rel="stylesheet" href="${href(style)}">`] : []),
      ...chunks.map((chunk) => `<link rel="modulepreload" href="${href(chunk)}">`),
      `<script type="module" src="${href(script)}"></script>`,
    ].join("\n");
    const shell = readFileSync(join(folder, "page.html"), "utf8");
    if (!shell.includes("<!-- assets -->")) throw new Error(`${name}/page.html has no <!-- assets --> line`);
    writeFileSync(join(out, `${name}.html`), shell.replace("<!-- assets -->", tags));
  }
}

/** Build the service worker, which knows the names of everything that a page may need without a network. */
async function buildWorker(out) {
  const entry = join(ROOT, "worker", "worker.ts");
  if (!existsSync(entry)) return;
  const shell = readdirSync(join(out, "assets"))
    .filter((name) => !name.endsWith(".map"))
    .map((name) => `${ASSETS}/${name}`);
  const shown = readdirSync(out).filter((name) => name.endsWith(".html"));
  const version = createHash("sha256").update(JSON.stringify(shell));
  for (const name of shown) version.update(readFileSync(join(out, name)));
  await build({
    ...SETTINGS,
    metafile: false,
    sourcemap: "linked",
    entryPoints: [entry],
    format: "iife",
    outfile: join(out, "sw.js"),
    define: {
      SHELL_FILES: JSON.stringify(shell),
      SHELL_PAGES: JSON.stringify(shown.map((name) => name.replace(".html", ""))),
      SHELL_VERSION: JSON.stringify(version.digest("hex").slice(0, 12)),
    },
  });
}

/** Put .gz and .br beside everything that shrinks. */
function compress(out) {
  for (const name of readdirSync(out, { recursive: true })) {
    if (!/\.(js|css|html|svg|json|webmanifest)$/.test(name)) continue;
    const body = readFileSync(join(out, name));
    writeFileSync(join(out, `${name}.gz`), gzipSync(body, { level: 9 }));
    const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length } };
    writeFileSync(join(out, `${name}.br`), brotliCompressSync(body, quality));
  }
}

/** Keep the scripts and styles of the build before this one: pages that were opened before a deploy may yet ask for them. */
function keepFormer(target, out) {
  const manifest = join(target, "manifest.json");
  if (!existsSync(manifest)) return [];
  const { files, kept = [] } = JSON.parse(readFileSync(manifest, "utf8"));
  const former = files.filter(
    (name) => /^assets\/.*\.(js|css|svg)(\.gz|\.br)?$/.test(name) && !kept.includes(name) && !existsSync(join(out, name)),
  );
  for (const name of former) copyFileSync(join(target, name), join(out, name));
  return former;
}

/** Build everything into `target`, replacing what was there; leaves it alone when anything fails. */
export async function buildAll(target) {
  const out = mkdtempSync(join(dirname(target), ".dist-"));
  const sources = digestOfSources(); // before they are read: who saves a file meanwhile finds the build stale
  try {
    chmodSync(out, 0o755);
    const bundled = await bundle(out);
    writePages(out, bundled);
    await buildWorker(out);
    compress(out);
    const kept = keepFormer(target, out);
    const files = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const names = files.map((entry) => relative(out, join(entry.parentPath ?? entry.path, entry.name))).sort();
    const loads = Object.fromEntries(
      [...bundled].map(([name, { script, style, chunks }]) => [
        name,
        { script: relative(out, script), style: style ? relative(out, style) : null, chunks: chunks.map((c) => relative(out, c)) },
      ]),
    );
    writeFileSync(join(out, "manifest.json"), JSON.stringify({ sources, pages: loads, files: names, kept }, null, 1));
    const old = `${out}-old`;
    if (existsSync(target)) renameSync(target, old);
    renameSync(out, target);
    rmSync(old, { recursive: true, force: true });
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const at = process.argv.indexOf("--out");
  const target = at === -1 ? join(ROOT, "dist") : process.argv[at + 1];
  if (process.argv.includes("--digest")) console.log(digestOfSources());
  else await buildAll(target);
}
