// Build the package: dist/*.js (for bundlers), dist/*.min.js (each all in one file, for a page without a bundler), and the types.
// `node build.mjs`; `npm pack` calls it.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";
import { SECOND_PASS, TARGET } from "../build.mjs";

const ROOT = dirname(fileURLToPath(import.meta.url));
const OUT = join(ROOT, "dist");
const ENTRIES = ["index", "receipt", "rescue"];
// esbuild says of Chrome before 91 that it has no `?.`: it has, but for a spread in an optional call, of which there is none here.
// Properties that nobody but the sources in src/ knows: neither the disk, nor the wire, nor a page. They get short names.
const INSIDE = /^(ask|blockedSince|clients|due|editsMax|hurry|isBusy|isClosed|isEager|isMemory|isOut|isStored|lanes?|leave|look|pace|peek|polls|rest|silentSince|since|timer|told|tries|wake|windowMs)$/;
const SETTINGS = {
  absWorkingDir: ROOT, bundle: true, format: "esm", target: TARGET, supported: { "optional-chain": true }, legalComments: "none", outdir: OUT,
};

/** The entries of the package, each all in one file, as a page loads them. */
async function smallest() {
  const entryPoints = ENTRIES.map((name) => ({ in: `src/${name}.ts`, out: `${name === "index" ? "outbox" : name}.min` }));
  const { outputFiles } = await build({ ...SETTINGS, entryPoints, minify: true, write: false });
  return Promise.all(outputFiles.map(async ({ path, text }) => ({ path, contents: (await minify(text, { ...SECOND_PASS, mangle: { properties: { regex: INSIDE } } })).code })));
}

const gzipped = (body) => gzipSync(body, { level: 9 }).length;

function writeTypes() {
  const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
  const how = ["--declaration", "--emitDeclarationOnly", "--outDir", OUT, "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"];
  const strict = ["--strict", "--skipLibCheck", "--exactOptionalPropertyTypes", "--allowImportingTsExtensions", "--lib", "es2022,dom,dom.iterable"];
  const run = spawnSync(process.execPath, [compiler, ...how, ...strict, "--types", "", "--ignoreConfig", ...ENTRIES.map((name) => join(ROOT, `src/${name}.ts`))], { stdio: "inherit" });
  if (run.status !== 0) throw new Error("tsc failed");
  for (const name of readdirSync(OUT).filter((file) => file.endsWith(".d.ts"))) {
    if (!/^(index|outbox|types|rescue|receipt)\./.test(name)) rmSync(join(OUT, name)); // only what the interface names
    else writeFileSync(join(OUT, name), readFileSync(join(OUT, name), "utf8").replace(/("\.\/\w+)\.ts"/g, '$1.js"'));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  rmSync(OUT, { recursive: true, force: true });
  await build({ ...SETTINGS, entryPoints: ENTRIES.map((name) => `src/${name}.ts`), splitting: true, chunkNames: "shared" });
  const files = await smallest();
  writeTypes();
  for (const { path, contents } of files) {
    writeFileSync(path, contents);
    console.log(`${basename(path)}: ${gzipped(contents)} bytes gzip`);
  }
}
