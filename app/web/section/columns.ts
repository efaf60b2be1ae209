/** One's own definitions of columns, laid over the columns of a snapshot: a column that was made here is there at once. */
import type { CellName } from "@inkfast/outbox";
import type { GradebookView, LineItem } from "./types.ts";
import { SectionOfPage } from "./view.ts";

/** A section as the gradebook shows it. */
export class SectionWithColumns extends SectionOfPage implements GradebookView {
  #columns: readonly LineItem[] | undefined;

  get lineItems(): readonly LineItem[] {
    if (this.#columns === undefined) {
      const defined = this.newer().filter(({ kind }) => kind === "line_item");
      this.#columns = layColumns(this.snapshot.line_items, new Map(defined.map((name) => [name.item, this.cell(name).value])));
    }
    return this.#columns;
  }

  reservedIds(): readonly number[] {
    const used = new Set(this.lineItems.map((column) => column.line_item_id));
    return this.snapshot.reserved_line_item_ids.filter((id) => !used.has(id));
  }

  /** Where a column is another one, everything may look different. */
  protected override tell(cells: readonly CellName[] | undefined): void {
    const isColumn = cells === undefined || cells.some(({ kind }) => kind === "line_item");
    if (isColumn) this.#columns = undefined;
    super.tell(isColumn ? undefined : cells);
  }
}

/** The value of an edit of kind `line_item`; what is missing has the default of docs/protocol.md. */
export type ColumnDefinition = { readonly title: string; readonly result_value_max: string } & Partial<
  Pick<LineItem, "result_value_min" | "description" | "category_id" | "assign_date" | "due_date" | "is_extra_credit" | "is_hidden" | "position">
>;

function layColumns(known: readonly LineItem[], defined: ReadonlyMap<number, unknown>): readonly LineItem[] {
  const columns = new Map(known.map((column) => [column.line_item_id, column]));
  for (const [id, value] of defined) if (isDefinition(value)) columns.set(id, defineColumn(id, value, columns.get(id), known));
  return [...columns.values()].sort(
    (a, b) => a.position - b.position || compare(a.due_date ?? "9999", b.due_date ?? "9999") || a.line_item_id - b.line_item_id,
  );
}

function isDefinition(value: unknown): value is ColumnDefinition {
  return typeof value === "object" && value !== null && typeof (value as ColumnDefinition).title === "string";
}

function defineColumn(id: number, value: ColumnDefinition, was: LineItem | undefined, known: readonly LineItem[]): LineItem {
  const category_id = value.category_id ?? null;
  return {
    line_item_id: id,
    title: value.title,
    description: value.description ?? null,
    category_id,
    category_title: category_id === null ? null : (known.find((column) => column.category_id === category_id)?.category_title ?? null),
    grading_period: was?.grading_period ?? null,
    assign_date: value.assign_date ?? null,
    due_date: value.due_date ?? null,
    result_value_min: value.result_value_min ?? "0",
    result_value_max: value.result_value_max,
    is_extra_credit: value.is_extra_credit ?? false,
    position: value.position ?? 0,
    is_hidden: value.is_hidden ?? false,
  };
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
