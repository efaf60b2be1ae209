/** Which rows and columns are drawn, and where things are: arithmetic without a document. */

/** From `first` up to, and without, `last`. */
export interface Span { readonly first: number; readonly last: number }

/** Where each column begins, counted from the first; one more entry says where the last one ends. */
export function edgesOf(widths: readonly number[]): number[] {
  const edges = [0];
  for (const width of widths) edges.push((edges[edges.length - 1] as number) + width);
  return edges;
}

/** The column (or row) whose stretch `at` falls into; the nearest one outside of them. */
export function indexAt(edges: readonly number[], at: number): number {
  let low = 0;
  let high = Math.max(0, edges.length - 2);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((edges[middle] as number) <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** What to draw: everything that is seen from `scroll` on in a view of `size` px, and `spare` more at either side. */
export function spanOf(edges: readonly number[], scroll: number, size: number, spare: number): Span {
  const count = edges.length - 1;
  if (count <= 0) return { first: 0, last: 0 };
  return {
    first: Math.max(0, indexAt(edges, scroll) - spare),
    last: Math.min(count, indexAt(edges, scroll + Math.max(0, size - 1)) + 1 + spare),
  };
}

/** The scroll position nearest to `scroll` at which the stretch from `start` to `end` is seen; its start, if it is too long. */
export function scrollTo(scroll: number, size: number, start: number, end: number): number {
  if (start < scroll || end - start > size) return start;
  return end > scroll + size ? end - size : scroll;
}

/** What is left of the scroll position where this is all there is, in a view of `size` px. */
export function scrollWithin(edges: readonly number[], scroll: number, size: number): number {
  return Math.max(0, Math.min(scroll, (edges[edges.length - 1] as number) - size));
}

/**
 * Make `items`, which stand for numbers from `from` on, stand for `to`. Those that leave at one end come back at the other, in
 * order; `fill` is told their new numbers. Where nothing stays, they are filled where they are: moving them would cost more.
 */
export function slide<T>(
  items: T[],
  from: number,
  to: Span,
  { make, fill, place, drop }: {
    make: () => T;
    fill: (item: T, index: number) => void;
    /** Put it before `next`, or last. */
    place: (item: T, next: T | undefined) => void;
    drop: (item: T) => void;
  },
): void {
  const spare: T[] = [];
  let first = from;
  if (to.first >= first + items.length || to.last <= first) {
    first = to.first;
    for (let i = 0; i < items.length && first + i < to.last; i++) fill(items[i] as T, first + i);
  }
  for (; first < to.first; first++) spare.push(items.shift() as T);
  while (first + items.length > to.last) spare.push(items.pop() as T);
  const next = (index: number) => {
    const item = spare.pop() ?? make();
    fill(item, index);
    return item;
  };
  while (first > to.first) {
    const item = next(--first);
    place(item, items[0]);
    items.unshift(item);
  }
  while (first + items.length < to.last) {
    const item = next(first + items.length);
    place(item, undefined);
    items.push(item);
  }
  spare.forEach(drop);
}
