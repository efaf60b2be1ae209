/** A column's definition as it is typed, and what the server would refuse of it, said before it is sent. */
import type { ColumnDefinition } from "../../section/columns.ts";
import type { LineItem } from "../../section/types.ts";

export interface TypedColumn {
  readonly title: string;
  readonly max: string;
  readonly min: string;
  readonly due: string;
  readonly assigned: string;
  readonly category: string;
  readonly description: string;
  readonly isExtraCredit: boolean;
  readonly isHidden: boolean;
}

export type ColumnFault =
  | "column.no_title"
  | "column.title_long"
  | "column.not_a_number"
  | "column.range_empty"
  | "column.description_long"
  | "entry.score_comma_is_ambiguous";
export type ColumnFaults = Partial<Record<"title" | "max" | "min" | "description", ColumnFault>>;

const TITLE_MAX = 200;
const DESCRIPTION_MAX = 2_000;
const POSITION_MAX = 10_000;
const NUMBER = /^-?\d{1,6}(\.\d{1,4})?$/;

export function typedColumn(item: LineItem | null): TypedColumn {
  return {
    title: item?.title ?? "",
    max: item?.result_value_max ?? "",
    min: item?.result_value_min ?? "0",
    due: item?.due_date ?? "",
    assigned: item?.assign_date ?? "",
    category: String(item?.category_id ?? ""),
    description: item?.description ?? "",
    isExtraCredit: item?.is_extra_credit ?? false,
    isHidden: item?.is_hidden ?? false,
  };
}

/** As it is stored: a decimal point, no needless signs. */
function plainNumber(text: string): string {
  return text.trim().replace(",", ".").replace(/^\+/, "").replace(/^(-?)0+(?=\d)/, "$1");
}

/** 1,000 is a thousand to one reader and one to another, as in a score. */
function faultOf(text: string): ColumnFault | undefined {
  if (/,\d{3}$/.test(text.trim())) return "entry.score_comma_is_ambiguous";
  return NUMBER.test(plainNumber(text)) ? undefined : "column.not_a_number";
}

export function faultsOf(typed: TypedColumn): ColumnFaults {
  const [max, min] = [faultOf(typed.max), faultOf(typed.min)];
  const isRange = Number(plainNumber(typed.max)) > Number(plainNumber(typed.min));
  const title = typed.title.trim();
  return {
    ...(title === "" ? { title: "column.no_title" } : [...title].length > TITLE_MAX ? { title: "column.title_long" } : {}),
    ...(max ? { max } : min || isRange ? {} : { max: "column.range_empty" }),
    ...(min ? { min } : {}),
    ...([...typed.description].length > DESCRIPTION_MAX ? { description: "column.description_long" } : {}),
  };
}

/** The value of the edit; what was left empty is left out. Only of what has no faults. */
export function definitionFrom(typed: TypedColumn, position: number): ColumnDefinition {
  const { due, assigned, category, description } = typed;
  return {
    title: typed.title.trim(),
    result_value_max: plainNumber(typed.max),
    result_value_min: plainNumber(typed.min),
    is_extra_credit: typed.isExtraCredit,
    is_hidden: typed.isHidden,
    position,
    ...(description.trim() ? { description: description.trim() } : {}),
    ...(category ? { category_id: Number(category) } : {}),
    ...(assigned ? { assign_date: assigned } : {}),
    ...(due ? { due_date: due } : {}),
  };
}

/** Behind all that there are. */
export function nextPosition(items: readonly LineItem[]): number {
  return Math.min(POSITION_MAX, Math.max(0, ...items.map(({ position }) => position)) + 1);
}

/** The definition of a column as an edit's value: what a changed column is made from. Empty fields are left out. */
export function definitionOf(column: LineItem): ColumnDefinition {
  const { title, result_value_max, result_value_min, description, category_id, assign_date, due_date, is_extra_credit, is_hidden, position } = column;
  return {
    title,
    result_value_max,
    result_value_min,
    is_extra_credit,
    is_hidden,
    position: position ?? 0,
    ...(description === null ? {} : { description }),
    ...(category_id === null ? {} : { category_id }),
    ...(assign_date === null ? {} : { assign_date }),
    ...(due_date === null ? {} : { due_date }),
  };
}

/** The edits that move a column one place: of two neighbours their places, unless several share one; then all are counted anew. */
export function moved(items: readonly LineItem[], id: number, by: 1 | -1): readonly { readonly item: number; readonly value: ColumnDefinition }[] {
  const from = items.findIndex(({ line_item_id }) => line_item_id === id);
  const to = from + by;
  if (from < 0 || to < 0 || to >= items.length) return [];
  const order = [...items];
  [order[from], order[to]] = [order[to]!, order[from]!];
  const places = items.map(({ position }) => position);
  const isStrict = places.every((place, i) => i === 0 || place > places[i - 1]!);
  return order.flatMap((item, i) => {
    const position = isStrict ? places[i]! : i + 1;
    return position === item.position ? [] : [{ item: item.line_item_id, value: { ...definitionOf(item), position } }];
  });
}
