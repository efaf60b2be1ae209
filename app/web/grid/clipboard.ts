/** Copy, cut and paste of cells; within a text that is being typed they are the input's own. */
import type { Grid } from "./grid.ts";
import type { On } from "./pointer.ts";

export function listenToClipboard(grid: Grid, host: HTMLElement, on: On): void {
  const { entry } = grid;
  const copy = (event: ClipboardEvent): boolean => {
    if (!grid.isRange && entry.mode !== "ready") return false;
    event.clipboardData?.setData("text/plain", grid.copy());
    event.preventDefault();
    return true;
  };
  on(host, "copy", copy);
  on(host, "cut", (event: ClipboardEvent) => copy(event) && grid.clear());
  // Only the plain text is read, never the other forms that a spreadsheet puts beside it.
  on(host, "paste", (event: ClipboardEvent) => {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (entry.mode !== "ready" && !/[\t\r\n]/.test(text)) return;
    event.preventDefault();
    grid.paste(text);
  });
}
