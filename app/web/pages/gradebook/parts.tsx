/** What is not needed to type scores: dialogs, panels, the card of a cell, sentences about what needs a person. */
import type { VNode } from "preact";
import { CellMenu } from "./cell_menu.tsx";
import { ColumnForm, Columns } from "./columns.tsx";
import { Comment } from "./comment.tsx";
import type { BesideDesk } from "./beside.ts";
import { Fill } from "./fill.tsx";
import { Help } from "./help.tsx";
import { PasteBox, Preview } from "./paste.tsx";

export { Aside, CodesAside } from "./aside.tsx";
export { CellCard } from "./attention.tsx";
export { arrangedRows } from "./arranging.ts";
export { Emptiness } from "./emptiness.tsx";
export { More } from "./more.tsx";
export { paste } from "./paste.tsx";
export { doneInWords, refusedInWords, theirsInWords } from "./told.ts";

export function Opened({ desk }: { readonly desk: BesideDesk }): VNode | null {
  const opened = desk.opened.value;
  switch (opened?.is) {
    case undefined:
    case "pasting":
      return null;
    case "column":
      return <ColumnForm key={opened.item?.line_item_id} desk={desk} item={opened.item} />;
    case "columns":
      return <Columns desk={desk} />;
    case "fill":
      return <Fill desk={desk} item={opened.item} />;
    case "comment":
      return <Comment desk={desk} item={opened.item} student={opened.student} />;
    case "menu":
      return <CellMenu desk={desk} x={opened.x} y={opened.y} />;
    case "help":
      return <Help desk={desk} />;
    case "paste":
      return <PasteBox desk={desk} />;
    case "preview":
      return <Preview desk={desk} preview={opened.preview} />;
  }
}
