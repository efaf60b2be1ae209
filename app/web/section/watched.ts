/**
 * What a page shows is kept in values that say when they change. After a change the page is drawn anew from its root: once, however
 * much has changed, and before the next paint. Nobody has to know which part depends on which value; Preact changes in the document
 * only what is different, and the grid is no part of it.
 *
 *     const notice = watched("");
 *     draw(() => <p>{notice.value}</p>, element);
 *     notice.value = "Saved";
 */
import { type ComponentChild, render } from "preact";
import { afterChange, drawSoon } from "../drawing/soon.ts";

export { afterChange };

export interface Watched<T> {
  value: T;
}

let changes = 0;

export function watched<T>(first: T): Watched<T> {
  let now = first;
  return {
    get value() {
      return now;
    },
    set value(next) {
      if (next === now) return;
      now = next;
      changed();
    },
  };
}

/** Worked out when it is asked for, and again only when something has changed since. */
export function derived<T>(work: () => T): { readonly value: T } {
  let found: T;
  let at = -1;
  return {
    get value() {
      if (at !== changes) {
        at = changes;
        found = work();
      }
      return found;
    },
  };
}

/** Something that is drawn has changed: for what is kept in no watched value. */
export function changed(): void {
  changes += 1;
  drawSoon();
}

/** Draw this into an element, now and after every change. */
export function draw(drawn: () => ComponentChild, into: Element): void {
  const again = (): void => render(drawn(), into);
  afterChange(again);
  again();
}
