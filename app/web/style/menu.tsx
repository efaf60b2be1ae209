/** A button that shows a short list of buttons below it. Escape, a choice, or focus going elsewhere closes the list. */
import type { ComponentChildren, VNode } from "preact";
import { useRef, useState } from "preact/hooks";

interface MenuProps {
  readonly label: string;
  /** Buttons of class `button`; links likewise. */
  readonly children: ComponentChildren;
}

export function Menu({ label, children }: MenuProps): VNode {
  const [isOpen, setOpen] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  const close = (event: { currentTarget: EventTarget & Element; relatedTarget?: EventTarget | null }): void => {
    const goesTo = event.relatedTarget;
    if (!(goesTo instanceof Node && event.currentTarget.contains(goesTo))) setOpen(false);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || !isOpen) return;
    event.stopPropagation();
    setOpen(false);
    opener.current?.focus();
  };
  const onChoice = (): void => {
    opener.current?.focus();
    setOpen(false);
  };
  return (
    <div class="menu" onKeyDown={onKeyDown} onFocusOut={close}>
      <button ref={opener} type="button" class="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {label} <span aria-hidden="true">▾</span>
      </button>
      {isOpen && (
        <div class="menu-list" onClick={onChoice}>
          {children}
        </div>
      )}
    </div>
  );
}
