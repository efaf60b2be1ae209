/**
 * What the pages use of Preact, and no more of it: the build puts this in place of "preact", "preact/hooks" and "preact/jsx-runtime",
 * whose types the pages are checked against. A third of Preact's weight (ADR 0018). Two things make it small: a page is drawn anew
 * from its root after a change (`soon.ts`), so nothing is drawn on its own below; and what nobody here uses is not there: classes,
 * contexts, styles as objects, hydration. `tests/web/test_drawing.py` draws the same with both, and compares.
 *
 * Every part is a function of its properties. What stands in the document for it is kept beside it (`Drawn`), is found again by its
 * key, or by its place where it has none, and is changed where it differs. A part that throws stays as it was, and the page goes on
 * without it: there may be a text in the page that somebody is typing.
 */

import { drawSoon } from "./soon.ts";

type Part = (props: Record<string, unknown>) => unknown;

export interface Node {
  readonly type: string | Part;
  readonly props: Readonly<Record<string, unknown>>;
  readonly key: unknown;
}

/** What is kept of one call of a hook: a value, what it depends on, and how to end what it has begun. */
interface Hook {
  value?: unknown;
  deps?: readonly unknown[] | undefined;
  end?: unknown;
}

interface Handler {
  call: ((event: Event) => unknown) | undefined;
  since: number;
}

/** What stands in the document for a node, for a text, or for nothing, which keeps the place of what may come. */
interface Drawn {
  of: Node | string | null;
  kids: Drawn[];
  readonly dom: Element | Text | undefined;
  readonly hooks: Hook[];
  /** By the name of the property. */
  readonly handlers: Record<string, Handler>;
}

const SVG = "http://www.w3.org/2000/svg";
const roots: WeakMap<Element, Drawn> = new WeakMap();

/** The part that is being drawn, and how many hooks it has called. */
let part: Drawn;
let called = 0;
/** Where in the document the next element comes: inside `inside`, before `next`. */
let inside: Element;
let next: ChildNode | null;
/** Done when everything is in the document: references first, then effects, each from the innermost outwards. */
const references: (() => void)[] = [];
const effects: (() => void)[] = [];
/** Counts handlers and events: an event is not for a handler that has come while it was on its way. */
let clock = 0;

export function jsx(type: Node["type"], props: Node["props"], key?: unknown): Node {
  return { type, props, key };
}
export { jsx as jsxs };

export function Fragment({ children }: Node["props"]): unknown {
  return children;
}

/** Draw a node into an element, in place of what was drawn or stood there before. It is in the document on return. */
export function render(node: unknown, into: Element): void {
  let root = roots.get(into);
  if (root === undefined) {
    into.textContent = "";
    roots.set(into, (root = undrawn(null)));
  }
  inside = into;
  next = into.firstChild;
  drawKids(root, node);
  for (const work of [...references.splice(0), ...effects.splice(0)]) tried(work);
}

/** What throws keeps nothing else from being done; the error is the page's, as any that nobody catches. */
function tried<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
    return undefined;
  }
}

function undrawn(of: Drawn["of"], dom?: Element | Text): Drawn {
  return { of, dom, kids: [], hooks: [], handlers: {} };
}

/** Draw the children of what is drawn: each in the place of the one before it that has its type and its key, or stands where it does. */
function drawKids(drawn: Drawn, given: unknown): void {
  const nodes = (Array.isArray(given) ? given : [given]).map(nodeOf);
  const before: (Drawn | undefined)[] = [...drawn.kids];
  const found = nodes.map((node, index) => {
    const key = keyOf(node);
    const isIt = (kid: Drawn | undefined): boolean => kid !== undefined && keyOf(kid.of) === key && typeOf(kid.of) === typeOf(node);
    const at = key === undefined || isIt(before[index]) ? index : before.findIndex(isIt);
    const kid = before[at];
    if (!isIt(kid)) return undefined;
    before[at] = undefined;
    return kid;
  });
  for (const kid of before) if (kid) remove(kid, true);
  drawn.kids = nodes.map((node, index) => drawNode(found[index], node));
}

/** Numbers are texts; lists within a list keep to themselves. */
function nodeOf(given: unknown): Drawn["of"] {
  if (given === null || given === undefined || typeof given === "boolean") return null;
  if (Array.isArray(given)) return jsx(Fragment, { children: given });
  return typeof given === "object" ? (given as Node) : String(given);
}

function keyOf(of: Drawn["of"]): unknown {
  return (of as Node | null)?.key;
}

function typeOf(of: Drawn["of"]): unknown {
  return typeof of === "string" ? "" : of?.type;
}

function drawNode(found: Drawn | undefined, node: Drawn["of"]): Drawn {
  if (node === null) return found ?? undrawn(node);
  if (typeof node === "string") {
    const drawn = found ?? undrawn(node, document.createTextNode(node));
    if (drawn.of !== node) (drawn.dom as Text).data = node;
    drawn.of = node;
    place(drawn.dom!);
    return drawn;
  }
  const { type, props } = node;
  if (typeof type === "string") return drawElement(found, node, type);
  const drawn = found ?? undrawn(node);
  part = drawn;
  called = 0;
  const made = tried(() => ({ kids: type(props) }));
  drawn.of = node;
  drawKids(drawn, made ? made.kids : drawn.kids.map(({ of }) => of));
  return drawn;
}

function drawElement(found: Drawn | undefined, node: Node, type: string): Drawn {
  const drawn = found ?? undrawn(node, document.createElementNS(type === "svg" ? SVG : inside.namespaceURI, type));
  const dom = drawn.dom as Element;
  const { props } = node;
  const former = found === undefined ? {} : (found.of as Node).props;
  const [around, after] = [inside, next];
  inside = dom;
  next = dom.firstChild;
  drawKids(drawn, props["children"]);
  inside = around;
  next = after;
  drawn.of = node;
  // After the children: the value of a list of choices is one of them.
  for (const name in { ...former, ...props }) setProperty(drawn, dom, name, former[name], props[name]);
  place(dom);
  return drawn;
}

/** Put an element where the next one comes. One with the focus, which would lose that, stays, and what stands before it moves on. */
function place(dom: Element | Text): void {
  while (dom !== next && dom.contains(document.activeElement)) {
    const passed = next!;
    next = passed.nextSibling;
    inside.append(passed);
  }
  if (dom === next) next = dom.nextSibling;
  else inside.insertBefore(dom, next);
}

function setProperty(drawn: Drawn, dom: Element, name: string, former: unknown, value: unknown): void {
  // A person may have typed or chosen something else since: these two are compared with what is there.
  if (name === "children" || (value === former && (value === undefined || (name !== "value" && name !== "checked")))) return;
  if (name === "ref") {
    refer(former, null);
    references.push(() => refer(value, dom));
  } else if (name.startsWith("on")) {
    listen(drawn, dom, name, value as Handler["call"]);
  } else {
    const now = dom[name as "id"] as unknown;
    if (typeof now === "boolean" || (name in dom && /alue$/.test(name))) {
      const wanted = value ?? (typeof now === "boolean" ? false : "");
      if (now !== wanted) dom[name as "id"] = wanted as string;
    } else if (value === null || value === undefined || (value === false && !name.includes("-"))) dom.removeAttribute(name);
    else dom.setAttribute(name, value as string);
  }
}

function refer(reference: unknown, dom: Element | null): void {
  if (typeof reference === "function") reference(dom);
  else if (reference) (reference as { current: unknown }).current = dom;
}

function listen({ handlers }: Drawn, dom: Element, name: string, call: Handler["call"]): void {
  const handler = (handlers[name] ??= { call: undefined, since: 0 });
  if (handler.since === 0) {
    const isCapture = name.endsWith("Capture");
    const type = name.slice(2, isCapture ? -7 : undefined).toLowerCase();
    dom.addEventListener(
      type,
      (event: Event & { seen?: number }) => {
        event.seen ??= ++clock;
        if (event.seen > handler.since) handler.call?.(event);
      },
      isCapture,
    );
  }
  if (handler.call === undefined) handler.since = ++clock;
  handler.call = call;
}

/** End what its parts have begun, from the outermost inwards, and take it out of the document. */
function remove({ of, dom, hooks, kids }: Drawn, isIn: boolean): void {
  for (const { end } of hooks) if (typeof end === "function") tried(end as () => void);
  if (dom) refer((of as Node).props?.["ref"], null);
  for (const kid of kids) remove(kid, isIn && !dom);
  if (!isIn || !dom) return;
  if (dom === next) next = dom.nextSibling;
  dom.remove();
}

function hook(): Hook {
  return (part.hooks[called++] ??= {});
}

export function useRef<T>(first: T): { current: T } {
  return (hook().value ??= { current: first }) as { current: T };
}

export function useState<T>(first: T | (() => T)): readonly [T, (next: T | ((now: T) => T)) => void] {
  const kept = useRef<{ now: T; set: (next: T | ((now: T) => T)) => void } | null>(null);
  kept.current ??= {
    now: first instanceof Function ? first() : first,
    set: (next) => {
      const state = kept.current!;
      const now = next instanceof Function ? next(state.now) : next;
      if (Object.is(now, state.now)) return;
      state.now = now;
      drawSoon();
    },
  };
  return [kept.current.now, kept.current.set];
}

/** Called once it is in the document, before the next paint, and again when one of `deps` is another. What it returns ends it. */
export function useLayoutEffect(begin: () => unknown, deps?: readonly unknown[]): void {
  const kept = hook();
  if (!isOther(kept.deps, deps)) return;
  kept.deps = deps;
  effects.push(() => {
    if (typeof kept.end === "function") kept.end();
    kept.end = begin();
  });
}
export { useLayoutEffect as useEffect };

function isOther(former: readonly unknown[] | undefined, deps: readonly unknown[] | undefined): boolean {
  return former === undefined || deps === undefined || deps.some((dep, index) => !Object.is(dep, former[index]));
}
