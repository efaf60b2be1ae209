/** A dialog that works in every browser of the floor, where <dialog> does not: focus stays inside, Escape closes, focus returns. */
import type { ComponentChildren, VNode } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

const FOCUSABLE = "a[href],button:not([disabled]),input:not([disabled]),select:not([disabled]),textarea:not([disabled]),[tabindex='0']";

interface DialogProps {
  /** Its heading, and its name for those who hear it. */
  readonly title: string;
  /** What the button that closes it says. */
  readonly closeLabel: string;
  readonly onClose: () => void;
  readonly isWide?: boolean;
  readonly children: ComponentChildren;
}

let opened = 0;

/**
 * Shown as long as it is rendered. Focus goes to the first element with `data-first` that can have it, else to the dialog itself,
 * and back to where it was when the dialog goes away.
 */
export function Dialog({ title, closeLabel, onClose, isWide = false, children }: DialogProps): VNode {
  const frame = useRef<HTMLDivElement>(null);
  const id = useRef("");
  if (id.current === "") id.current = `dialog-${++opened}`;
  const onKeyDown = (event: KeyboardEvent): void => {
    event.stopPropagation();
    if (event.key === "Escape") {
      event.preventDefault();
      onClose();
    } else if (event.key === "Tab" && frame.current !== null) turnAround(event, frame.current);
  };
  // A dialog that does not close keeps the focus.
  const onVeil = (event: MouseEvent): void => {
    if (event.target !== event.currentTarget) return;
    event.preventDefault();
    onClose();
  };
  const latest = useRef(onKeyDown);
  latest.current = onKeyDown;
  // Before the next key: what is typed right after the dialog was asked for belongs into it.
  useLayoutEffect(() => {
    const dialog = frame.current;
    if (dialog === null) return undefined;
    const before = document.activeElement;
    (dialog.querySelector<HTMLElement>("[data-first]:not(:disabled)") ?? dialog).focus();
    const keepInside = (event: FocusEvent): void => {
      if (event.target instanceof Node && !dialog.contains(event.target)) dialog.focus();
    };
    // What had focus may have gone from the page: the keys are the dialog's all the same.
    const takeLost = (event: KeyboardEvent): void => {
      if (event.target === document.body) latest.current(event);
    };
    document.addEventListener("focusin", keepInside);
    document.addEventListener("keydown", takeLost);
    return () => {
      document.removeEventListener("focusin", keepInside);
      document.removeEventListener("keydown", takeLost);
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <div class="veil" onMouseDown={onVeil}>
      <div
        ref={frame}
        class={isWide ? "dialog dialog-wide" : "dialog"}
        role="dialog"
        aria-modal="true"
        aria-labelledby={id.current}
        tabIndex={-1}
        onKeyDown={onKeyDown}
      >
        <div class="dialog-top">
          <h2 id={id.current}>{title}</h2>
          <button type="button" class="button" onClick={onClose}>
            {closeLabel}
          </button>
        </div>
        {children}
      </div>
    </div>
  );
}

/** From the last element Tab goes to the first, and back. */
function turnAround(event: KeyboardEvent, dialog: HTMLElement): void {
  const inside = [...dialog.querySelectorAll<HTMLElement>(FOCUSABLE)].filter((element) => element.offsetParent !== null);
  const first = inside[0];
  const last = inside[inside.length - 1];
  const at = document.activeElement;
  if (event.shiftKey ? at === first || at === dialog : at === last) {
    event.preventDefault();
    (event.shiftKey ? last : first)?.focus();
  }
}
