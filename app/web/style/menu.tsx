/** A button that shows a short list of buttons below it. Escape, a choice, or focus going elsewhere closes the list. */
import { Component, type ComponentChildren, type VNode } from "preact";

interface MenuProps {
  readonly label: string;
  /** Buttons of class `button`; links likewise. */
  readonly children: ComponentChildren;
}

export class Menu extends Component<MenuProps, { readonly isOpen?: boolean }> {
  #opener: HTMLElement | null = null;
  readonly #hold = (button: HTMLElement | null): void => {
    this.#opener = button;
  };

  override render(): VNode {
    const { label, children } = this.props;
    const { isOpen = false } = this.state;
    const open = (isOpen: boolean): void => this.setState({ isOpen });
    return (
      <div
        class="menu"
        onKeyDown={(event) => {
          if (event.key !== "Escape" || !isOpen) return;
          event.stopPropagation();
          this.#opener?.focus();
          open(false);
        }}
        onFocusOut={({ relatedTarget, currentTarget }) => {
          if (!currentTarget.contains(relatedTarget as Node | null)) open(false);
        }}
      >
        <button ref={this.#hold} type="button" class="button" aria-expanded={isOpen} onClick={() => open(!isOpen)}>
          {label} <span aria-hidden="true">▾</span>
        </button>
        {isOpen && (
          // Before what was chosen is done: a dialog gives the focus back to where it was.
          <div class="menu-list" onClickCapture={() => this.#opener?.focus()} onClick={() => open(false)}>
            {children}
          </div>
        )}
      </div>
    );
  }
}
