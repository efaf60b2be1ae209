/** What a receipt is about, in words: how many of what, and each entry with the names that this computer knows. */
import type { Acknowledgement } from "@inkfast/outbox";
import type { Snapshot } from "../../section/types.ts";
import { asWritten } from "../../words/calendar.ts";
import type { ReceiptWords } from "./page.tsx";

type Edit = Acknowledgement["edits"][number];

/** "2:41:07 pm", by the clock of the school. */
export function timeWithSeconds(moment: number | string, { locale, timeZone }: ReceiptWords): string {
  const zone = timeZone === undefined ? {} : { timeZone };
  return asWritten(new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit", second: "2-digit", ...zone }).format(new Date(moment)));
}

/** "12 scores, 1 comment: in the records. 1 score: not accepted, kept with the reason." */
export function whatOf({ edits }: Acknowledgement, words: ReceiptWords): string {
  const outcomes = [...new Set(edits.map(({ outcome }) => outcome))];
  const sentences = outcomes.map((outcome) => {
    const those = edits.filter((edit) => edit.outcome === outcome);
    const kinds = [...new Set(those.map(kindOf))];
    const counted = kinds.map((kind) => {
      const key = `receipts.kind.${kind}`;
      const n = those.filter((edit) => kindOf(edit) === kind).length;
      return words.has(key) ? words.say(key, { n }) : `${n} ${kind}`;
    });
    const said = `receipts.outcome.${outcome}`;
    return `${counted.join(", ")}: ${words.has(said) ? words.say(said) : outcome}`;
  });
  return sentences.join(". ");
}

/** As it is counted and told: a roll that was taken back is none that was taken. */
function kindOf({ kind, value }: Edit): string {
  return kind === "roll_taken" && (value as { taken?: unknown } | null)?.taken !== true ? "roll_not_taken" : kind;
}

/** "García, Ana · Quiz 3: 17.5" */
export function describeEntry(edit: Edit, section: Snapshot | undefined, words: ReceiptWords): string {
  const student = section?.students.find(({ student_id }) => student_id === edit.student);
  const name = student === undefined ? (edit.student === 0 ? "" : `#${edit.student}`) : [student.family_name, student.given_name].filter(Boolean).join(", ");
  const column = columnOf(edit, section, words);
  const value = valueOf(edit, words);
  return name === "" ? `${column}: ${value}` : words.say("receipts.entry", { student: name, column, value });
}

function columnOf({ kind, item }: Edit, section: Snapshot | undefined, words: ReceiptWords): string {
  if (kind === "attendance" || kind === "roll_taken") {
    const day = String(Math.floor(item / 100));
    return words.day(`${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6, 8)}`, "short");
  }
  return section?.line_items.find(({ line_item_id }) => line_item_id === item)?.title ?? `#${item}`;
}

function valueOf(edit: Edit, words: ReceiptWords): string {
  const { value } = edit;
  const kind = kindOf(edit);
  const { score, status, text, title, category, arrival_time } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (kind === "roll_taken" || kind === "roll_not_taken") return words.say(`receipts.kind.${kind}`, { n: 1 });
  if (kind === "attendance") {
    const key = `category.${typeof category === "string" ? category : "none"}`;
    const said = words.has(key) ? words.say(key) : String(category);
    return typeof arrival_time === "string" ? `${said}, ${words.timeOfDay(arrival_time)}` : said;
  }
  const flags = Array.isArray(status) ? status.map((flag) => String(flag).replace(/_/g, " ")) : [];
  const parts = [score, text, title].filter((part) => typeof part === "string" && part !== "").concat(flags);
  return parts.length > 0 ? parts.join(" ") : words.say("receipts.emptied");
}
