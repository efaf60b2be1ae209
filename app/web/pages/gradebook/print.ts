/**
 * The section on paper. The grid draws a window of rows, and sixty columns fit on no page: for paper there are tables of a few
 * columns each, with the names repeated, the codes spelled out, and what is not yet at the district said at the top.
 */
import { serverNow } from "../../section/server_clock.ts";
import type { Desk } from "./desk.ts";
import { isEmpty, scoreInWords } from "./score.ts";

export const COLUMNS_A_SHEET = 9;

function add(parent: Element, tag: string, text = "", attributes: Readonly<Record<string, string>> = {}): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  parent.append(made);
  return made;
}

/** The columns from `first` on, with everybody who is shown, in the order that is shown. */
function addSheet(paper: Element, desk: Desk, first: number, of: number): void {
  const { model, words } = desk;
  const columns = Array.from({ length: Math.min(COLUMNS_A_SHEET, of - first) }, (_, i) => first + i);
  const table = add(paper, "table", "", { class: "table" });
  if (of > COLUMNS_A_SHEET) add(table, "caption", words.say("print.page", { first: first + 1, last: first + columns.length, all: of }));
  const head = add(add(table, "thead"), "tr");
  add(head, "th", words.say("student"), { scope: "col" });
  for (const column of columns) {
    const { title, detail } = model.columnHead(column);
    const cell = add(head, "th", title, { scope: "col" });
    add(cell, "small", detail);
  }
  const body = add(table, "tbody");
  for (let row = 0; row < model.rows(); row += 1) {
    const line = add(body, "tr");
    add(line, "th", model.rowHead(row).text, { scope: "row" });
    for (const column of columns) {
      const { says } = model.cell(row, column);
      const [item, student] = [model.item(column), model.student(row)];
      const value = item && student ? desk.view.cell({ kind: "score", item: item.line_item_id, student: student.student_id }).value : null;
      const cell = add(line, "td", isEmpty(value) ? "" : scoreInWords(value, words));
      if (says) add(cell, "small", ` (${says})`);
    }
  }
}

/** Lay the paper beside the page; the style of print shows it alone. */
export function layPaper(desk: Desk): HTMLElement {
  const { view, words, model, outbox } = desk;
  document.getElementById("paper")?.remove();
  const paper = document.createElement("section");
  paper.id = "paper";
  // Before the page: where there is paper, it alone is printed.
  document.body.prepend(paper);
  const { queued, sending, storing } = outbox.status(view.id);
  const unsent = queued + sending + storing;
  add(paper, "h1", `${view.facts.title} · ${view.facts.org_name}`);
  const lead = [
    words.say("print.made", { at: words.at(serverNow(), 0) }),
    words.say("print.students", { n: model.rows() }),
    unsent ? words.say("print.unsent", { n: unsent }) : words.say("print.all_sent"),
    ...(view.isFromDisk ? [words.say("status.from_disk", { at: words.at(view.asOf, 0) })] : []),
  ];
  add(paper, "p", lead.join(" · "));
  const columns = model.columns();
  for (let first = 0; first < Math.max(1, columns); first += COLUMNS_A_SHEET) addSheet(paper, desk, first, columns);
  return paper;
}

/** Whatever asks for paper, the browser's own menu too, finds it laid. */
export function readyToPrint(desk: Desk): void {
  window.addEventListener("beforeprint", () => {
    desk.grid?.commit();
    layPaper(desk);
  });
  window.addEventListener("afterprint", () => document.getElementById("paper")?.remove());
}
