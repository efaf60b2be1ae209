// Run the unit tests of the browser side: bundle each *.test.ts with esbuild, and hand them to node's test runner.
// `node test.mjs [PART OF A PATH …]`
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { ALIAS } from "./build.mjs";

const ROOT = dirname(fileURLToPath(import.meta.url));
const wanted = process.argv.slice(2);
const tests = readdirSync(ROOT, { recursive: true })
  .filter((path) => path.endsWith(".test.ts") && !path.split("/").includes("node_modules"))
  .filter((path) => wanted.length === 0 || wanted.some((part) => path.includes(part)));
const out = mkdtempSync(join(ROOT, ".tests-"));
try {
  await build({
    absWorkingDir: ROOT,
    entryPoints: tests,
    outdir: out,
    outbase: ROOT,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    alias: ALIAS,
    jsx: "automatic",
    jsxImportSource: "preact",
    define: { WORDS: JSON.stringify("TESTS") },
    sourcemap: "inline",
    logLevel: "warning",
  });
  const files = tests.map((path) => join(out, path.replace(/\.ts$/, ".mjs")));
  const run = spawnSync(process.execPath, ["--test", "--enable-source-maps", ...files], { stdio: "inherit", cwd: ROOT });
  process.exitCode = tests.length > 0 ? (run.status ?? 1) : 1;
  if (tests.length === 0) console.error("no test matches");
} finally {
  rmSync(out, { recursive: true, force: true });
}
