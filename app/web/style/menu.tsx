/** A button that shows a short list of buttons below it. Escape, a choice, or focus going elsewhere closes the list. */
import type { ComponentChildren, VNode } from "preact";
import { useRef, useState } from "preact/hooks";

interface MenuProps {
  readonly label: string;
  /** Buttons of class `button`; links likewise. */
  readonly children: ComponentChildren;
}

export function Menu({ label, children }: MenuProps): VNode {
  const [isOpen, open] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  return (
    <div
      class="menu"
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !isOpen) return;
        event.stopPropagation();
        opener.current?.focus();
        open(false);
      }}
      onFocusOut={({ relatedTarget, currentTarget }) => {
        if (!currentTarget.contains(relatedTarget as Node | null)) open(false);
      }}
    >
      <button ref={opener} type="button" class="button" aria-expanded={isOpen} onClick={() => open(!isOpen)}>
        {label} <span aria-hidden="true">▾</span>
      </button>
      {isOpen && (
        // Before what was chosen is done: a dialog gives the focus back to where it was.
        <div class="menu-list" onClickCapture={() => opener.current?.focus()} onClick={() => open(false)}>
          {children}
        </div>
      )}
    </div>
  );
}
