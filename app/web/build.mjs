// Build the browser side: TypeScript in, dist/ out. `node build.mjs [--out DIR] [--watch]`
//
// dist/ is replaced whole and at once, so that a service that is starting never finds half of it. Every file but
// manifest.json and sw.js carries a digest of its content in its name. Each is there three times: plain, .gz and .br.
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync } from "node:zlib";
import { build, transform } from "esbuild";
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
// Which pages share their files, and what each of these and each of their later parts begins with, so that it is in one file with all
// it needs. Grades and the roll are each one file of their own: 6 % lighter than in shared ones, for whoever opens only the one.
const GROUPS = [
  { pages: ["home", "receipts", "compatibility"], first: "section/always.ts" },
  { pages: ["gradebook"], first: "pages/gradebook/entry.tsx" },
  { pages: ["attendance"], first: "pages/attendance/entry.tsx" },
];

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

/** A page has a page.html, an entry.tsx and a page.css in its folder. */
function pageOf(name) {
  const folder = join(ROOT, "pages", name);
  return { name, folder, entry: join(folder, "entry.tsx"), css: join(folder, "page.css") };
}

/** The dictionaries, each as it is fetched, by area and language. */
function dictionaries() {
  const named = sources().map(({ path, body }) => ({ found: /^words\/(\w+)\/(\w+)\.json$/.exec(path), body }));
  return named.filter(({ found }) => found).map(({ found: [, language, area], body }) => [`${area}-${language}`, JSON.stringify(JSON.parse(body))]);
}

const DICTIONARIES = dictionaries();
// One digest of them all: so a page knows the address of each by its area and its language.
const WORDS = createHash("sha256").update(JSON.stringify(DICTIONARIES)).digest("hex").slice(0, 8).toUpperCase();

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
  define: { WORDS: JSON.stringify(WORDS) },
  logLevel: "warning",
  loader: { ".svg": "file" },
};

// Properties that nothing but the sources knows: no disk, no wire, no other tab, no browser, no sentence. They get short names, the
// same in all files of a page: 3 % of it. All others keep theirs. One in quotes ends the build, or one that a module exports: esbuild
// leaves both as they are.
const INSIDE = JSON.parse(readFileSync(join(ROOT, "short_names.json"), "utf8"));

// A second pass over each script: as gzip it is 3 % lighter than after esbuild alone. A function stays where it is: written into its only caller it weighs more. What is not said here is as terser has it,
// which changes nothing that a script can tell.
export const SECOND_PASS = { module: true, ecma: 2020, compress: { reduce_funcs: false } };
const { version: TERSER } = JSON.parse(readFileSync(join(ROOT, "node_modules/terser/package.json"), "utf8"));

/** Bundle scripts and styles into `out`/assets; return, for each page, its own files and all that it loads at once. */
async function bundle(out) {
  await refuseLeftNames();
  const groups = await Promise.all(GROUPS.map((group) => bundleGroup(out, group)));
  const scripts = groups.flatMap(({ outputs }) => outputs.map(({ path }) => path)).filter((path) => path.endsWith(".js"));
  for (const path of scripts) await shrink(path);
  return new Map(groups.flatMap(({ bundled }) => bundled));
}

async function bundleGroup(out, { pages, first }) {
  const found = pages.map(pageOf);
  const { metafile } = await build({
    ...SETTINGS,
    mangleProps: new RegExp(`^(${INSIDE.join("|")})$`),
    inject: [join(ROOT, first)],
    entryPoints: Object.fromEntries(found.flatMap(({ name, entry, css }) => [[name, entry], [`${name}-style`, css]])),
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
  let outputs = Object.entries(metafile.outputs).map(([path, output]) => ({ path: join(ROOT, path), ...output }));
  const bundled = found.map(({ name, folder, entry, css }) => {
    const named = outputs.find((output) => output.entryPoint === relative(ROOT, entry));
    const script = contentOf(named, outputs);
    if (script !== named) {
      for (const path of [named.path, `${named.path}.map`]) rmSync(path);
      outputs = outputs.filter(({ path }) => !path.startsWith(named.path));
    }
    const style = outputs.find((output) => output.entryPoint === relative(ROOT, css));
    return [name, { folder, script: script.path, style: style.path, chunks: importedBy(script, outputs) }];
  });
  return { outputs, bundled };
}

/** What an entry is, where it is nothing but the import of one chunk. */
function contentOf(script, outputs) {
  const [only, ...others] = script.imports.filter(({ kind }) => kind === "import-statement");
  const isEmpty = Object.values(script.inputs).every(({ bytesInOutput }) => bytesInOutput === 0);
  return isEmpty && others.length === 0 ? outputs.find(({ path }) => path === join(ROOT, only.path)) : script;
}

/** End the build where a name of INSIDE would stay as it is: in quotes, or exported. Types and comments say nothing of it. */
async function refuseLeftNames() {
  const names = INSIDE.join("|");
  const left = new RegExp(`["'\`](${names})["'\`]|export \\{[^}]*\\b(${names})\\b|export (async )?(function|const|let|class) (${names})\\b`);
  for (const { path, body } of sources()) {
    const loader = /(?<!\.test)\.(tsx?)$/.exec(path)?.[1];
    if (loader === undefined) continue;
    const { code } = await transform(body, { loader, jsx: "preserve" });
    const found = left.exec(code);
    if (found) throw new Error(`${path}: ${found[0]} keeps its name, which is a short one elsewhere (short_names.json)`);
  }
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
      `<link rel="stylesheet" href="${href(style)}">`,
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

const ZOPFLI = { numiterations: 5 };
const { version: ZOPFLI_VERSION } = JSON.parse(readFileSync(join(ROOT, "node_modules/@gfx/zopfli/package.json"), "utf8"));
const PACKED_BY = `zopfli ${ZOPFLI_VERSION} ${JSON.stringify(ZOPFLI)}`;

/**
 * Put .gz and .br beside everything that shrinks: once, and as small as gzip can be, which takes 3 % more off than its level 9. That is
 * most of a build: what the one before it, in `target`, has of the same content is taken over.
 */
export async function compress(out, target) {
  const isSameWay = manifestOf(target).packedBy === PACKED_BY;
  for (const name of readdirSync(out, { recursive: true })) {
    if (!/\.(js|css|html|svg|json|webmanifest)$/.test(name)) continue;
    const body = readFileSync(join(out, name));
    const { gzip, brotli } = (isSameWay && packedBefore(join(target, name), body)) || (await pack(name, body));
    writeFileSync(join(out, `${name}.gz`), gzip);
    writeFileSync(join(out, `${name}.br`), brotli);
  }
}

async function pack(name, body) {
  const gzip = await (await zopfli()).gzipAsync(body, ZOPFLI);
  if (!gunzipSync(gzip).equals(body)) throw new Error(`${name} does not come out of its .gz as it went in`);
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length } };
  return { gzip, brotli: brotliCompressSync(body, quality) };
}

/** What stands beside `path`, where it is whole and of this content. */
function packedBefore(path, body) {
  try {
    const [gzip, brotli] = [readFileSync(`${path}.gz`), readFileSync(`${path}.br`)];
    return gunzipSync(gzip).equals(body) && brotliDecompressSync(brotli).equals(body) ? { gzip, brotli } : undefined;
  } catch {
    return undefined;
  }
}

async function zopfli() {
  const events = ["uncaughtException", "unhandledRejection"];
  const before = new Set(events.flatMap((event) => process.listeners(event)));
  const { default: library } = await import("@gfx/zopfli");
  // Its own listeners would print the whole library before any error.
  for (const event of events) for (const own of process.listeners(event)) if (!before.has(own)) process.off(event, own);
  return library;
}

/** What a build says of itself; nothing where there is none, or where it is torn. */
function manifestOf(target) {
  try {
    return JSON.parse(readFileSync(join(target, "manifest.json"), "utf8"));
  } catch {
    return {};
  }
}

/** Keep the scripts and styles of the build before this one: pages that were opened before a deploy may yet ask for them. */
function keepFormer(target, out, now) {
  const { files = [], kept = [], sources } = manifestOf(target);
  const isOld = (name) => kept.includes(name) && sources !== now; // the same built twice takes nothing away
  const former = files.filter(
    (name) => /^assets\/.*\.(js|css|svg|json)(\.gz|\.br)?$/.test(name) && !isOld(name) && !existsSync(join(out, name)),
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
    for (const [name, text] of DICTIONARIES) writeFileSync(join(out, "assets", `${name}.${WORDS}.json`), text);
    writePages(out, bundled);
    await buildWorker(out);
    await compress(out, target);
    const kept = keepFormer(target, out, sources);
    const files = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const names = files.map((entry) => relative(out, join(entry.parentPath ?? entry.path, entry.name))).sort();
    const loads = Object.fromEntries(
      [...bundled].map(([name, { script, style, chunks }]) => [
        name,
        { script: relative(out, script), style: relative(out, style), chunks: chunks.map((c) => relative(out, c)) },
      ]),
    );
    writeFileSync(join(out, "manifest.json"), JSON.stringify({ sources, pages: loads, files: names, kept, packedBy: PACKED_BY }, null, 1));
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
