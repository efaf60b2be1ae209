import assert from "node:assert/strict";
import { test } from "node:test";
import cases from "../typed_score.cases.json";
import { CODES, type ReadScore, readScore, writeScore } from "../typed_score.ts";

interface Case {
  text: string;
  max: string;
  min?: string;
  isExtraCredit?: boolean;
  scale?: Record<string, string>;
  value?: object;
  reason?: string;
  warning?: string;
}

const columnOf = ({ max, min = "0", isExtraCredit = false }: Case) => ({ result_value_min: min, result_value_max: max, is_extra_credit: isExtraCredit });

for (const one of cases as Case[]) {
  test(`reads ${JSON.stringify(one.text)} of ${one.max}`, () => {
    const scale = one.scale && new Map(Object.entries(one.scale));
    const found: ReadScore = readScore(one.text, columnOf(one), scale);
    if (one.reason !== undefined) {
      assert.equal("reason" in found && found.reason, one.reason);
      return;
    }
    assert.ok("value" in found, JSON.stringify(found));
    assert.deepEqual(found.value, one.value);
    assert.equal(found.warning, one.warning);
  });
}

test("what is written is read back to the same", () => {
  const column = { result_value_min: "-5", result_value_max: "20", is_extra_credit: true };
  const statuses = [...new Set(CODES.map(([, status]) => status))];
  assert.equal(statuses.length, 8);
  for (const score of [undefined, "0", "17.50", "-3", "25"]) {
    for (const status of [[], ...statuses.map((one) => [one]), statuses.slice(0, 4), statuses.slice(4)]) {
      const value = { ...(score === undefined ? {} : { score }), ...(status.length ? { status } : {}) };
      const found = readScore(writeScore(value), column);
      assert.deepEqual("value" in found && found.value, value);
      const spanish = readScore(writeScore(value, [["fa", "missing"], ["ta", "late"]]), column);
      assert.deepEqual("value" in spanish && spanish.value, value);
    }
  }
});

test("a refusal says what was typed, and not more than the page can show", () => {
  const found = readScore("x".repeat(500), { result_value_min: "0", result_value_max: "20", is_extra_credit: false });
  assert.deepEqual(found, { reason: "score_not_a_number", params: { typed: "x".repeat(40), min: "0", max: "20" } });
});
