/** Mouse and touch. A finger's first tap chooses a cell, its second opens the keyboard; moving it scrolls. */
import type { Grid } from "./grid.ts";

/** Listen until the grid is destroyed. */
export type On = (target: EventTarget, type: string, listener: (event: never) => void, options?: AddEventListenerOptions) => void;

export function listenToPointer(grid: Grid, host: HTMLElement, on: On): void {
  const { entry } = grid;
  let isTouch = false;
  let isDragging = false;
  on(host, "pointerdown", (event: PointerEvent) => {
    isTouch = event.pointerType === "touch";
  });
  on(host, "mousedown", (event: MouseEvent) => {
    const target = event.target as Element;
    const isInput = target === entry.input;
    if (event.button !== 0 || (isInput && (entry.mode !== "ready" || isTouch))) return;
    if (!isInput && !target.closest("tbody")) return;
    event.preventDefault();
    const isOpen = document.activeElement === entry.input && !entry.isWaitingForTap;
    entry.isWaitingForTap = isTouch && !isOpen;
    const { row, column } = grid.cellAt(event.clientX, event.clientY);
    grid.go(row, target.closest("th") ? grid.active.column : column, event.shiftKey);
    isDragging = !isTouch;
  });
  on(host, "mousemove", (event: MouseEvent) => {
    isDragging &&= (event.buttons & 1) === 1;
    if (!isDragging) return;
    const { row, column } = grid.cellAt(event.clientX, event.clientY);
    if (row !== grid.end.row || column !== grid.end.column) grid.go(row, column, true);
  });
  on(host, "click", (event: MouseEvent) => {
    const head = (event.target as Element).closest("thead th[scope]");
    if (head) {
      grid.tell({ kind: "head", column: Number(head.getAttribute("aria-colindex")) - 2 });
      if (!isTouch) grid.focus(); // a finger would open the keyboard by it
    }
    if (event.target === entry.input && entry.isWaitingForTap) openKeyboard(grid);
  });
  on(host, "dblclick", (event: MouseEvent) => {
    if (event.target === entry.input && !isTouch) entry.caret();
  });
  on(host, "contextmenu", (event: MouseEvent) => {
    const target = event.target as Element;
    if (target === entry.input ? entry.mode !== "ready" : !target.closest("td")) return;
    event.preventDefault();
    const { row, column } = grid.cellAt(event.clientX, event.clientY);
    const { top, bottom, left, right } = grid.range;
    if (row < top || row > bottom || column < left || column > right) grid.go(row, column);
    grid.openMenu(event.clientX, event.clientY);
  });
}

function openKeyboard(grid: Grid): void {
  const { entry } = grid;
  entry.isWaitingForTap = false;
  entry.input.readOnly = grid.isReadOnly(entry.column);
  // A browser opens its keyboard when an input that can be typed in gets the focus, in answer to a tap.
  entry.input.blur();
  entry.input.focus({ preventScroll: true });
  entry.input.select();
}
