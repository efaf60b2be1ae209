/** The text form of a block of cells, as spreadsheets put it into the clipboard. */

/**
 * Read tab-separated text: fields in quotes with line ends, tabs and doubled quotes in them; line ends of all three kinds; one line end at
 * the very end is no row. A quote that does not close, or has text behind it, is a quote.
 */
export function readBlock(text: string): string[][] {
  const rows: string[][] = [[]];
  let row = rows[0] as string[];
  const field = /"([^"]*(?:""[^"]*)*)"(?=[\t\r\n]|$)|[^\t\r\n]*/y;
  for (let at = 0; ; ) {
    field.lastIndex = at;
    const found = field.exec(text) as RegExpExecArray;
    row.push(found[1] === undefined ? found[0] : found[1].replace(/""/g, '"'));
    at = field.lastIndex;
    if (at >= text.length) return rows;
    if (text[at] === "\t") {
      at++;
      continue;
    }
    at += text.startsWith("\r\n", at) ? 2 : 1;
    if (at >= text.length) return rows;
    rows.push((row = []));
  }
}
