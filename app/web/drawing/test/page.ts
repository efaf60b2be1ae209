/**
 * A bare page for the browser test of the drawing: draws the same with Preact and with `preact.ts`, does the same to both, and says
 * where the two documents, or what their parts heard, differ. `compare(seed, steps)` is what the test calls.
 */
import * as preact from "preact";
import * as preactHooks from "preact/hooks";
import { chance as chanceOf } from "../../outbox/test/chance.ts";
import * as ours from "../preact.ts";
import { afterChange } from "../soon.ts";

interface Library {
  readonly jsx: (type: never, props: never, key?: never) => unknown;
  readonly Fragment: unknown;
  readonly render: (node: never, into: Element) => void;
  readonly useState: <T>(first: T | (() => T)) => readonly [T, (next: T | ((now: T) => T)) => void];
  readonly useRef: <T>(first: T) => { current: T };
  readonly useEffect: (begin: () => unknown, deps?: readonly unknown[]) => void;
  readonly useLayoutEffect: (begin: () => unknown, deps?: readonly unknown[]) => void;
}

const jsxOfPreact = (type: never, props: Record<string, unknown>, key?: never): unknown => {
  const { children, ...others } = props;
  const given = key === undefined ? others : { ...others, key };
  return children === undefined ? preact.h(type, given as never) : preact.h(type, given as never, children as never);
};
const LIBRARIES: readonly Library[] = [
  { ...preact, ...preactHooks, jsx: jsxOfPreact } as unknown as Library,
  ours as unknown as Library,
];

/** What is drawn, in words that both are told. */
type Told = string | number | boolean | null | undefined | readonly Told[] | Node;
interface Node {
  readonly type: string;
  readonly key?: string;
  readonly props: Readonly<Record<string, unknown>>;
  readonly kids: readonly Told[];
}

/** One document, drawn with one library, and what its handlers, references and effects have heard. */
class World {
  readonly into: HTMLElement = document.body.appendChild(document.createElement("main"));
  heard: string[] = [];
  readonly #parts: Readonly<Record<string, unknown>>;
  readonly #library: Library;

  constructor(library: Library) {
    this.#library = library;
    const { jsx, Fragment, useState, useRef, useEffect, useLayoutEffect } = library;
    const make = jsx as (type: unknown, props: unknown, key?: unknown) => unknown;
    const hear = (what: string): void => void this.heard.push(what);
    /** Counts its clicks, and says when it begins, changes and ends. */
    const Counter = ({ name, step, children }: { name: string; step: number; children?: unknown }): unknown => {
      const [count, setCount] = useState(() => 10);
      const button = useRef<Element | null>(null);
      const doubled = count * 2 + step;
      useLayoutEffect(() => {
        hear(`${name} begins at ${button.current?.textContent}`);
        return () => hear(`${name} ends`);
      }, []);
      useLayoutEffect(() => {
        hear(`${name} step ${step}`);
        return () => hear(`${name} no more ${step}`);
      }, [step]);
      return [
        make("button", { ref: button, class: "counter", onClick: () => setCount((now: number) => now + step), children: `${count}:${doubled}` }, "b"),
        make("em", { children }, "e"),
      ];
    };
    /** Draws itself anew once it is there. */
    const Settling = ({ name }: { name: string }): unknown => {
      const [is, set] = useState("new");
      useEffect(() => {
        set("settled");
        return () => hear(`${name} unsettled`);
      }, [name]);
      return make("b", { title: is, children: is });
    };
    const Nothing = (): unknown => null;
    this.#parts = { Fragment, Counter, Settling, Nothing };
  }

  /** Whoever draws with `preact.ts` draws again after a change; Preact does so itself. */
  readonly stop = afterChange(() => this.#library === (ours as unknown as Library) && this.#library.render(this.#drawn as never, this.into));
  #drawn: unknown = null;

  draw(told: Told): void {
    this.#drawn = this.#node(told);
    this.#library.render(this.#drawn as never, this.into);
  }

  #node(told: Told): unknown {
    if (Array.isArray(told)) return told.map((one: Told) => this.#node(one));
    if (typeof told !== "object" || told === null) return told;
    const { type, key, props, kids } = told as Node;
    const given: Record<string, unknown> = { ...props };
    for (const name of Object.keys(props)) {
      if (name.startsWith("on")) given[name] = (event: Event) => this.heard.push(`${props[name]} ${event.type} on ${(event.currentTarget as Element).localName}`);
      if (name === "ref") given[name] = (element: Element | null) => element && this.heard.push(`${props[name]} is ${element.localName}`);
    }
    if (kids.length > 0) given["children"] = kids.length === 1 ? this.#node(kids[0]) : kids.map((kid) => this.#node(kid));
    return (this.#library.jsx as (type: unknown, props: unknown, key?: unknown) => unknown)(this.#parts[type] ?? type, given, key);
  }
}

class Teller {
  readonly #chance: () => number;
  constructor(chance: () => number) {
    this.#chance = chance;
  }

  one<T>(of: readonly T[]): T {
    return of[Math.floor(this.#chance() * of.length)]!;
  }

  props(type: string): Record<string, unknown> {
    const props: Record<string, unknown> = {};
    const maybe = (name: string, values: readonly unknown[]): void => {
      if (this.#chance() < 0.3) props[name] = this.one(values);
    };
    maybe("class", ["one", "two", undefined]);
    maybe("data-tone", ["warn", "", undefined, true]);
    maybe("aria-expanded", [true, false, undefined]);
    maybe("aria-label", ["a label", undefined, null]);
    maybe("tabIndex", [-1, 0]);
    maybe("hidden", [true, false, undefined]);
    maybe("lang", ["es", "en"]);
    maybe("onClick", ["first", "second", undefined]);
    maybe("onClickCapture", ["caught"]);
    maybe("onFocusIn", ["came"]);
    maybe("ref", ["this", "that"]);
    if (props["onClick"] === undefined) delete props["onClick"];
    if (["input", "button", "select", "textarea"].includes(type)) maybe("disabled", [true, false, undefined]);
    if (type === "input" || type === "textarea") maybe("value", ["typed", "", "17"]);
    if (type === "input") maybe("defaultValue", ["first"]);
    if (type === "input" && props["defaultValue"] !== undefined) delete props["value"];
    return props;
  }

  /** Anything that a part may return. */
  any(depth: number): Told {
    const kind = this.#chance();
    if (kind < 0.15 || depth > 4) return this.one<Told>(["text", "", "more text", 0, 17, null, undefined, true, false]);
    if (kind < 0.3) return this.keyed(depth);
    if (kind < 0.4) return { type: "Fragment", props: {}, kids: this.some(depth) };
    if (kind < 0.55) return { type: "Counter", props: { name: "counter", step: this.one([1, 2]) }, kids: this.some(depth) };
    if (kind < 0.6) return { type: "Settling", props: { name: this.one(["x", "y"]) }, kids: [] };
    if (kind < 0.63) return { type: "Nothing", props: {}, kids: [] };
    if (kind < 0.68) return this.choices();
    if (kind < 0.72) return { type: "svg", props: { viewBox: "0 0 5 5" }, kids: [{ type: "path", props: { d: this.one(["M0 0", "M1 1"]) }, kids: [] }] };
    if (kind < 0.8) return { type: this.one(["input", "textarea"]), props: this.props("input"), kids: [] };
    if (kind < 0.84) return { type: "input", props: { type: "checkbox", checked: this.#chance() < 0.5 }, kids: [] };
    const type = this.one(["div", "p", "span", "button", "ul"]);
    return { type, props: this.props(type), kids: this.some(depth) };
  }

  /** Without keys Preact may take a neighbour for what has gone; with them there is one right answer. */
  some(depth: number): readonly Told[] {
    return Array.from({ length: Math.floor(this.#chance() * 4) }, (_, index) => {
      const told = this.any(depth + 1);
      if (typeof told !== "object" || told === null) return told;
      const node = Array.isArray(told) ? { type: "ul", props: {}, kids: told as readonly Told[] } : (told as Node);
      return { ...node, key: `${index} ${node.type} ${node.props["type"] ?? ""} ${"defaultValue" in node.props}` };
    });
  }

  /** A list in some order, some of it missing. */
  keyed(depth: number): readonly Told[] {
    const keys = ["a", "b", "c", "d", "e", "f"].filter(() => this.#chance() < 0.7);
    for (let i = keys.length - 1; i > 0; i -= 1) {
      const j = Math.floor(this.#chance() * (i + 1));
      [keys[i], keys[j]] = [keys[j]!, keys[i]!];
    }
    const isParts = this.#chance() < 0.3;
    return keys.map((key) =>
      isParts
        ? { type: "Counter", key, props: { name: key, step: 1 }, kids: [] }
        : { type: "li", key, props: { ...this.props("li"), "data-key": key }, kids: this.some(depth + 1) },
    );
  }

  choices(): Told {
    const options = ["1", "2", "3"].map((value) => ({ type: "option", key: value, props: { value }, kids: [`choice ${value}`] }));
    return { type: "select", props: { value: this.one(["1", "2", "3"]) }, kids: options };
  }
}

/** Preact leaves some attributes behind as empty ones, which say nothing. */
const SAYS_NOTHING_EMPTY = new Set(["class", "lang", "title", "aria-label", "tabindex"]);

function described(node: ChildNode): string {
  if (!(node instanceof Element)) return node.textContent ?? "";
  const attributes = [...node.attributes]
    .filter(({ name, value }) => value !== "" || !SAYS_NOTHING_EMPTY.has(name))
    .map(({ name, value }) => ` ${name}="${value}"`)
    .sort();
  const { value, checked, disabled } = node as HTMLInputElement;
  const state = [value, checked, disabled].map(String).join();
  const kids = [...node.childNodes].map(described).join("");
  return `<${node.localName}${attributes.join("")} {${node.namespaceURI?.slice(-3)} ${state}}>${kids}</>`;
}

/** What a person does to a document: click or type somewhere, the same place in each. */
function act(worlds: readonly World[], kind: number, where: number): void {
  for (const { into } of worlds) {
    if (kind < 0.5) {
      const all = [...into.querySelectorAll<HTMLElement>("button, li, div, p, span")];
      all[Math.floor(where * all.length)]?.click();
    } else if (kind < 0.8) {
      const all = [...into.querySelectorAll<HTMLInputElement>("input:not([type=checkbox]), textarea")];
      const field = all[Math.floor(where * all.length)];
      if (field) field.value = "a person's";
    } else {
      const all = [...into.querySelectorAll<HTMLInputElement>("input[type=checkbox]")];
      all[Math.floor(where * all.length)]?.click();
    }
  }
}

const drawnAll = (): Promise<void> => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve, 2))));

/** The elements of the list in the middle have keys, and stay the same ones: returns since when each is there. */
function marked(world: World, step: number): string {
  return [...world.into.querySelectorAll("ol > li")]
    .map((element) => {
      const known = element as Element & { since?: number };
      known.since ??= step;
      return `${element.getAttribute("data-key")}${known.since}`;
    })
    .join(" ");
}

/** Returns what differs, at the first step at which something does; nothing: an empty list. */
export async function compare(seed: number, steps: number): Promise<readonly string[]> {
  document.body.textContent = "";
  const chance = chanceOf(seed);
  const teller = new Teller(chance);
  const worlds = LIBRARIES.map((library) => new World(library));
  let before: Told = null;
  for (let step = 0; step < steps; step += 1) {
    const isDrawn = step === 0 || chance() < 0.7;
    const told: Told = { type: "section", props: {}, kids: [{ type: "ol", key: "list", props: {}, kids: teller.keyed(0) }, ...teller.some(-1)] };
    const [kind, where] = [chance(), chance()];
    if (isDrawn) for (const world of worlds) world.draw(told);
    else act(worlds, kind, where);
    await drawnAll();
    // A page is always drawn anew as a whole; Preact would draw only the part that has changed.
    if (!isDrawn) for (const world of worlds) world.draw(before);
    else before = told;
    const seen = worlds.map(({ into, heard }) => [[...into.childNodes].map(described).join(""), heard.slice().sort().join("\n")]);
    for (const which of [0, 1]) {
      if (seen[0]![which] !== seen[1]![which]) return [`seed ${seed}, step ${step}, ${isDrawn ? "drawn" : "acted"}`, seen[0]![which]!, seen[1]![which]!];
    }
    const [theirs, mine] = worlds.map((world) => marked(world, step));
    if (theirs !== mine) return [`seed ${seed}, step ${step}: who stayed`, theirs!, mine!];
    for (const world of worlds) world.heard = [];
  }
  for (const { stop } of worlds) stop();
  return [];
}

/** Orders of a list in which one element has the focus: returns what lost it, or came to stand where it should not. */
export function keepFocus(seed: number, orders: number): readonly string[] {
  document.body.textContent = "";
  const chance = chanceOf(seed);
  const into = document.body.appendChild(document.createElement("main"));
  const wrong: string[] = [];
  let lost = 0;
  for (let order = 0; order < orders; order += 1) {
    const keys = [..."abcdefg"].filter(() => chance() < 0.8).sort(() => chance() - 0.5);
    const item = (key: string): unknown => ours.jsx("li", { children: [key, ours.jsx("button", { onFocusOut: () => (lost += 1), children: key })] }, key);
    const before = (document.activeElement as HTMLElement).innerText;
    lost = 0;
    ours.render(ours.jsx("ol", { children: [ours.jsx("p", { children: "first" }, "p"), keys.map(item), "last"] }), into);
    const after = (document.activeElement as HTMLElement).innerText;
    const shown = into.textContent ?? "";
    if (shown !== `first${keys.map((key) => key + key).join("")}last`) wrong.push(`${order}: ${shown}, not ${keys.join("")}`);
    if (keys.includes(before) && (after !== before || lost > 0)) wrong.push(`${order}: ${before} lost it in ${keys.join("")}`);
    const all = into.querySelectorAll("button");
    if (chance() < 0.5) all[Math.floor(chance() * all.length)]?.focus();
  }
  return wrong;
}

/** What is heard and shown where parts, effects and their ends throw. */
export async function throwing(): Promise<readonly string[]> {
  document.body.textContent = "";
  const into = document.body.appendChild(document.createElement("main"));
  const heard: string[] = [];
  const onError = (event: ErrorEvent): void => {
    event.preventDefault();
    heard.push(`error: ${(event.error as Error).message}`);
  };
  addEventListener("error", onError);
  const Effect = ({ name, fails }: Record<string, unknown>): unknown => {
    ours.useLayoutEffect(() => {
      heard.push(`${name} begins`);
      if (fails === "at first") throw new Error(String(name));
      return () => {
        heard.push(`${name} ends`);
        if (fails === "at last") throw new Error(String(name));
      };
    }, []);
    return name;
  };
  const Failing = ({ when, children }: Record<string, unknown>): unknown => {
    const [since] = ours.useState(() => document.title);
    if (when) throw new Error("part");
    return ours.jsx("p", { children: [since, children] });
  };
  const draw = async (when: boolean, text: string): Promise<void> => {
    ours.render(ours.jsx("div", { children: [ours.jsx("b", { children: text }), ours.jsx(Failing, { when, children: text }), text] }), into);
    await drawnAll();
    heard.push(into.innerHTML);
  };
  await draw(true, "1");
  await draw(false, "2");
  await draw(true, "3");
  await draw(false, "4");
  ours.render([ours.jsx(Effect, { name: "a", fails: "at last" }), ours.jsx(Effect, { name: "b", fails: "at first" }), ours.jsx(Effect, { name: "c" })], into);
  await drawnAll();
  ours.render("end", into);
  await drawnAll();
  heard.push(into.innerHTML);
  removeEventListener("error", onError);
  return heard;
}

Object.assign(globalThis, { compare, keepFocus, throwing });
