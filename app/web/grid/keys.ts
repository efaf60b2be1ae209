/** What the keys do: those of spreadsheets, and Enter as teachers know it from gradebooks. */
import type { Grid } from "./grid.ts";

const ARROWS: Record<string, readonly [number, number]> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

export function onKey(grid: Grid, event: KeyboardEvent): void {
  // While an input method composes, every key is its own.
  if (event.isComposing || event.keyCode === 229 || event.target !== grid.entry.input) return;
  const isCommand = (event.ctrlKey || event.metaKey) && !event.altKey;
  const isDone = isCommand ? onCommand(grid, event) || onMove(grid, event, true) : onPlain(grid, event) || onMove(grid, event, false);
  if (isDone) event.preventDefault();
}

function onCommand(grid: Grid, event: KeyboardEvent): boolean {
  const { entry, lastRow, lastColumn } = grid;
  switch (event.key.toLowerCase()) {
    case "z":
      // While a text is being typed its own undo is nearer.
      if (entry.isDirty) return false;
      grid.turn(event.shiftKey ? "redo" : "undo");
      return true;
    case "y":
      grid.turn("redo");
      return true;
    case "d":
      grid.fillDown();
      return true;
    case "m":
      grid.commit();
      grid.tell({ kind: "comment", row: entry.row, column: entry.column });
      return true;
    case "a":
      if (entry.mode !== "ready") return false;
      grid.choose({ top: 0, left: 0, bottom: lastRow, right: lastColumn });
      return true;
    case " ":
      grid.choose({ top: 0, left: entry.column, bottom: lastRow, right: entry.column });
      return true;
    default:
      return false;
  }
}

function onPlain(grid: Grid, event: KeyboardEvent): boolean {
  const { entry } = grid;
  const { key, shiftKey } = event;
  switch (key) {
    case "Enter":
      stepDown(grid, shiftKey ? -1 : 1);
      return true;
    case "Tab":
      return stepRight(grid, shiftKey ? -1 : 1);
    case "Escape":
      entry.restore();
      grid.go(entry.row, entry.column);
      return true;
    case "F2":
      if (entry.mode === "caret") entry.mode = "typing";
      else entry.caret();
      return true;
    case "Delete":
    case "Backspace":
      if (entry.mode !== "ready") return false;
      grid.clear();
      return true;
    case "ContextMenu":
      grid.openMenu();
      return true;
    case "F10":
      if (shiftKey) grid.openMenu();
      return shiftKey;
    default:
      if (key.length === 1 && grid.isReadOnly(entry.column)) grid.tell({ kind: "readOnly", row: entry.row, column: entry.column });
      return false;
  }
}

/** Enter goes down; from the bottom to the top of the next column that can be typed in. */
function stepDown(grid: Grid, by: 1 | -1): void {
  const { row, column } = grid.active;
  const next = row + by;
  if (next >= 0 && next <= grid.lastRow) return grid.go(next, column);
  const beside = nextOpen(grid, column, by);
  if (beside === -1) grid.go(row, column);
  else grid.go(by > 0 ? 0 : grid.lastRow, beside);
}

/** Tab goes to the right while somebody types; at the last cell, and otherwise, it leaves the grid as everywhere. */
function stepRight(grid: Grid, by: 1 | -1): boolean {
  const { row, column } = grid.active;
  const beside = grid.entry.isEntering ? nextOpen(grid, column, by) : -1;
  if (beside === -1) return false;
  grid.go(row, beside);
  return true;
}

function nextOpen(grid: Grid, from: number, by: 1 | -1): number {
  for (let column = from + by; column >= 0 && column <= grid.lastColumn; column += by) if (!grid.isReadOnly(column)) return column;
  return -1;
}

function onMove(grid: Grid, event: KeyboardEvent, isCommand: boolean): boolean {
  const { key, shiftKey } = event;
  if (grid.entry.mode === "caret") return false;
  const { row, column } = shiftKey ? grid.end : grid.active;
  const arrow = ARROWS[key];
  if (arrow) {
    const [down, right] = arrow;
    const to = isCommand ? edgeOf(grid, row, column, down, right) : { row: row + down, column: column + right };
    grid.go(to.row, to.column, shiftKey);
    return true;
  }
  switch (key) {
    case "Home":
      grid.go(isCommand ? 0 : row, 0, shiftKey);
      return true;
    case "End":
      grid.go(isCommand ? grid.lastRow : row, grid.lastColumn, shiftKey);
      return true;
    case "PageUp":
      grid.go(row - grid.rowsSeen, column, shiftKey);
      return true;
    case "PageDown":
      grid.go(row + grid.rowsSeen, column, shiftKey);
      return true;
    default:
      return false;
  }
}

/** As in spreadsheets: to the end of what is filled, or over the gap to what is filled next. */
function edgeOf(grid: Grid, row: number, column: number, down: number, right: number): { row: number; column: number } {
  const isInside = (r: number, c: number) => r >= 0 && c >= 0 && r <= grid.lastRow && c <= grid.lastColumn;
  const isFilled = (r: number, c: number) => isInside(r, c) && grid.model.text(r, c) !== "";
  const runsOn = isFilled(row, column) && isFilled(row + down, column + right);
  while (isInside(row + down, column + right)) {
    if (runsOn && !isFilled(row + down, column + right)) break;
    row += down;
    column += right;
    if (!runsOn && isFilled(row, column)) break;
  }
  return { row, column };
}
