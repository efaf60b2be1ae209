// Build the package: dist/index.js (for bundlers; idb stays a dependency), dist/outbox.min.js (all in one file, for a page
// without a bundler), and the types. `node build.mjs`; `npm pack` calls it.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { TARGET } from "../build.mjs";

const ROOT = dirname(fileURLToPath(import.meta.url));
const OUT = join(ROOT, "dist");
const SETTINGS = { absWorkingDir: ROOT, entryPoints: ["src/index.ts"], bundle: true, format: "esm", target: TARGET, legalComments: "none" };

/** The whole package with idb, as a page loads it. */
export async function smallest() {
  const { outputFiles } = await build({ ...SETTINGS, minify: true, write: false });
  return outputFiles[0].contents;
}

export const gzipped = (body) => gzipSync(body, { level: 9 }).length;

function writeTypes() {
  const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
  const how = ["--declaration", "--emitDeclarationOnly", "--outDir", OUT, "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"];
  const strict = ["--strict", "--skipLibCheck", "--exactOptionalPropertyTypes", "--allowImportingTsExtensions", "--lib", "es2022,dom,dom.iterable"];
  const run = spawnSync(process.execPath, [compiler, ...how, ...strict, "--types", "", "--ignoreConfig", join(ROOT, "src/index.ts")], { stdio: "inherit" });
  if (run.status !== 0) throw new Error("tsc failed");
  for (const name of readdirSync(OUT).filter((file) => file.endsWith(".d.ts"))) {
    if (!/^(index|outbox|types)\./.test(name)) rmSync(join(OUT, name)); // only what the interface names
    else writeFileSync(join(OUT, name), readFileSync(join(OUT, name), "utf8").replace(/("\.\/\w+)\.ts"/g, '$1.js"'));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  rmSync(OUT, { recursive: true, force: true });
  await build({ ...SETTINGS, outfile: join(OUT, "index.js"), external: ["idb"] });
  const body = await smallest();
  writeTypes();
  writeFileSync(join(OUT, "outbox.min.js"), body);
  console.log(`outbox.min.js: ${gzipped(body)} bytes gzip, with idb`);
}
