/** Columns: all of them in a list, to reorder, hide, show and edit; and the form of one. Works without a network. */
import type { ComponentChildren, VNode } from "preact";
import { useState } from "preact/hooks";
import type { LineItem } from "../../section/types.ts";
import { Dialog } from "../../style/dialog.tsx";
import { definitionFrom, definitionOf, faultsOf, moved, nextPosition, typedColumn, type ColumnFaults, type TypedColumn } from "./column_form.ts";
import type { BesideDesk } from "./beside.ts";

export function Columns({ desk }: { readonly desk: BesideDesk }): VNode {
  const { words, view } = desk;
  const items = view.lineItems;
  const define = (changes: ReturnType<typeof moved>): void =>
    void view.enter(changes.map(({ item, value }) => ({ kind: "line_item", item, student: 0, value }))).catch(desk.model.onFailure);
  const move = (item: LineItem, by: 1 | -1): void => {
    // Asked anew: two quick keys move it twice.
    const at = view.lineItems.findIndex(({ line_item_id }) => line_item_id === item.line_item_id);
    const changes = moved(view.lineItems, item.line_item_id, by);
    if (changes.length === 0) return;
    define(changes);
    desk.say(words.say("columns.moved", { title: item.title, n: at + 1 + by, all: items.length }));
  };
  const hide = (item: LineItem): void =>
    define([{ item: item.line_item_id, value: { ...definitionOf(item), is_hidden: !item.is_hidden } }]);
  return (
    <Dialog title={words.say("columns.title")} closeLabel={words.say("dialog.close")} onClose={() => desk.close()} isWide>
      <p class="quiet">{words.say("columns.lead")}</p>
      <ol class="column-list">
        {items.map((item, at) => {
          const { title } = item;
          return (
            <li key={item.line_item_id}>
              <span class="column-title">
                {title} <small class="quiet">{words.say("column.out_of", { max: item.result_value_max })}</small>
                {item.is_hidden && <span class="badge">{words.say("columns.hidden")}</span>}
              </span>
              <MoveButton label={words.say("columns.up", { title })} sign="↑" isOff={at === 0} onMove={() => move(item, -1)} />
              <MoveButton label={words.say("columns.down", { title })} sign="↓" isOff={at === items.length - 1} onMove={() => move(item, 1)} />
              <button type="button" class="button" aria-label={words.say(item.is_hidden ? "columns.show_of" : "columns.hide_of", { title })} onClick={() => hide(item)}>
                {words.say(item.is_hidden ? "columns.show" : "columns.hide")}
              </button>
              <button type="button" class="button" aria-label={words.say("columns.edit_of", { title })} onClick={() => (desk.opened.value = { is: "column", item })}>
                {words.say("columns.edit")}
              </button>
            </li>
          );
        })}
      </ol>
      <div class="choices">
        <button type="button" class="button button-main" data-first onClick={() => (desk.opened.value = { is: "column", item: null })}>
          {words.say("tool.add_column")}
        </button>
      </div>
    </Dialog>
  );
}

/** Stays a button that can have the focus at the end of the list, or the focus would be lost there. */
function MoveButton({ label, sign, isOff, onMove }: { label: string; sign: string; isOff: boolean; onMove: () => void }): VNode {
  return (
    <button type="button" class="button" aria-label={label} title={label} aria-disabled={isOff} onClick={() => isOff || onMove()}>
      <span aria-hidden="true">{sign}</span>
    </button>
  );
}

/** The form of one column; `item` null: a new one. */
export function ColumnForm({ desk, item }: { readonly desk: BesideDesk; readonly item: LineItem | null }): VNode {
  const { words, view } = desk;
  const [typed, setTyped] = useState<TypedColumn>(() => typedColumn(item));
  const [isChecked, setChecked] = useState(false);
  const ids = view.reservedIds();
  const id = item?.line_item_id ?? ids[0];
  // What was seen when the form opened, and not what a colleague has entered since.
  const [seen] = useState(() => view.cell({ kind: "line_item", item: id ?? 0, student: 0 }).edit_id);
  const faults = isChecked ? faultsOf(typed) : {};
  const onSubmit = (event: Event): void => {
    event.preventDefault();
    const found = faultsOf(typed);
    setChecked(true);
    const first = Object.keys(found)[0];
    if (first !== undefined || id === undefined) {
      if (first !== undefined) document.getElementById(`column-${first}`)?.focus();
      return;
    }
    const value = definitionFrom(typed, item?.position ?? nextPosition(view.lineItems));
    void view.enter([{ kind: "line_item", item: id, student: 0, value, base: seen }]).catch(desk.model.onFailure);
    const student = desk.active.value?.student.student_id ?? 0;
    if (item === null && !typed.isHidden) desk.done(() => desk.goTo({ kind: "score", item: id, student }));
    else desk.close();
  };
  return (
    <Dialog title={words.say(item === null ? "column.new" : "column.edit")} closeLabel={words.say("dialog.cancel")} onClose={() => desk.close()}>
      {id === undefined && <p class="wrong">{words.say("column.no_ids")}</p>}
      <form class="form" noValidate onSubmit={onSubmit}>
        <ColumnFields desk={desk} typed={typed} faults={faults} onTyped={(change) => setTyped({ ...typed, ...change })} />
        <div class="choices">
          <button type="submit" class="button button-main" disabled={id === undefined}>
            {words.say(item === null ? "column.create" : "column.keep")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface FieldsProps {
  readonly desk: BesideDesk;
  readonly typed: TypedColumn;
  readonly faults: ColumnFaults;
  readonly onTyped: (change: Partial<TypedColumn>) => void;
}

function ColumnFields({ desk, typed, faults, onTyped }: FieldsProps): VNode {
  const { words, view } = desk;
  const categories = new Map(view.lineItems.flatMap((item) => (item.category_id ? [[item.category_id, item.category_title ?? ""]] : [])));
  const input = (name: "title" | "max" | "min" | "due" | "assigned", more: object): VNode => {
    const wrong = faults[name as "title"];
    const described = wrong ? { "aria-invalid": true, "aria-describedby": `column-${name}-wrong` } : {};
    return (
      <Labelled label={words.say(`column.${name}`)} id={`column-${name}`} wrong={wrong && words.say(wrong, { typed: typed[name] })}>
        <input class="field" id={`column-${name}`} value={typed[name]} {...described} {...more} onInput={({ currentTarget }) => onTyped({ [name]: currentTarget.value })} />
      </Labelled>
    );
  };
  const tick = (name: "isExtraCredit" | "isHidden", label: string): VNode => (
    <label class="tick">
      <input type="checkbox" checked={typed[name]} onChange={({ currentTarget }) => onTyped({ [name]: currentTarget.checked })} /> {label}
    </label>
  );
  return (
    <>
      {input("title", { "data-first": true, maxLength: 300, autocomplete: "off" })}
      <div class="pair">
        {input("max", { inputMode: "decimal", autocomplete: "off" })}
        {input("min", { inputMode: "decimal", autocomplete: "off" })}
      </div>
      {tick("isExtraCredit", words.say("column.extra_credit"))}
      <div class="pair">
        {input("due", { type: "date" })}
        {input("assigned", { type: "date" })}
      </div>
      {categories.size > 0 && (
        <Labelled label={words.say("column.category")} id="column-category">
          <select class="field" id="column-category" value={typed.category} onChange={({ currentTarget }) => onTyped({ category: currentTarget.value })}>
            <option value="">{words.say("column.no_category")}</option>
            {[...categories].map(([id, title]) => (
              <option key={id} value={String(id)}>
                {title}
              </option>
            ))}
          </select>
        </Labelled>
      )}
      <Labelled label={words.say("column.description")} id="column-description" wrong={faults.description && words.say(faults.description)}>
        <textarea class="field" id="column-description" rows={2} value={typed.description} onInput={({ currentTarget }) => onTyped({ description: currentTarget.value })} />
      </Labelled>
      {tick("isHidden", words.say("column.is_hidden"))}
    </>
  );
}

interface LabelledProps {
  readonly label: string;
  readonly id: string;
  readonly wrong?: string | undefined;
  readonly children: ComponentChildren;
}

/** A field with its label above, and below it what is wrong. */
export function Labelled({ label, id, wrong, children }: LabelledProps): VNode {
  return (
    <div class="labelled">
      <label for={id}>{label}</label>
      {children}
      {wrong && (
        <small class="wrong" id={`${id}-wrong`}>
          {wrong}
        </small>
      )}
    </div>
  );
}
