/** What is not needed for the first typed score: dialogs, panels, the card of a cell. Loaded when the grid can be typed into. */
import type { VNode } from "preact";
import { CellMenu } from "./cell_menu.tsx";
import { ColumnForm, Columns } from "./columns.tsx";
import { Comment } from "./comment.tsx";
import type { Desk } from "./desk.ts";
import { Fill } from "./fill.tsx";
import { Help } from "./help.tsx";
import { PasteBox, Preview } from "./paste.tsx";

export { Attention, CellCard } from "./attention.tsx";
export { Codes } from "./help.tsx";
export { History } from "./history.tsx";
export { readyToPrint, printSection } from "./print.ts";

export function Opened({ desk }: { readonly desk: Desk }): VNode | null {
  const opened = desk.opened.value;
  switch (opened?.is) {
    case undefined:
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
