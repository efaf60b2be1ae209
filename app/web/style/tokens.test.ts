/** Every tone of text has 4.5 to 1 on the grounds it stands on, and every edge of a control 3 to 1; light and dark. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

// The tests run in the folder of the browser side.
const sheet = readFileSync("style/tokens.css", "utf8");
const [light = "", dark = ""] = sheet.split("@media (prefers-color-scheme: dark)");
const SCHEMES = { light: colours(light), dark: colours(dark.split("@media")[0] ?? "") };

function colours(css: string): ReadonlyMap<string, string> {
  return new Map([...css.matchAll(/--([\w-]+): (#[0-9a-f]{3,6});/g)].map(([, name = "", value = ""]) => [name, value]));
}

/** Relative luminance, as WCAG defines it. */
function luminance(colour: string): number {
  const whole = colour.length === 4 ? colour.replace(/[0-9a-f]/g, "$&$&") : colour;
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const channel = parseInt(whole.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one: string, other: string): number {
  const [high = 0, low = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

const TEXT = { ink: ["ground", "band", "pick", "warn-ground", "bad-ground"], mute: ["ground", "band", "pick", "warn-ground"], accent: ["ground", "band", "pick"] };
const TONES = { ok: ["ground", "ok-ground"], warn: ["ground", "band", "warn-ground", "pick"], bad: ["ground", "band", "bad-ground"], "on-accent": ["accent"] };

for (const [scheme, names] of Object.entries(SCHEMES)) {
  test(`${scheme}: text can be read`, () => {
    for (const [tone, grounds] of Object.entries({ ...TEXT, ...TONES })) {
      for (const ground of grounds) {
        const found = contrast(names.get(tone) ?? "", names.get(ground) ?? "");
        assert.ok(found >= 4.5, `${tone} on ${ground}: ${found.toFixed(2)}`);
      }
    }
  });

  test(`${scheme}: the edge of a control can be seen`, () => {
    for (const ground of ["ground", "band"]) assert.ok(contrast(names.get("edge") ?? "", names.get(ground) ?? "") >= 3, ground);
  });
}
