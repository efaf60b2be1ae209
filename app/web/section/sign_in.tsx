/** Signing in over a page whose sign-in has ended, or is another person's. What is typed behind it stays. */
import type { VNode } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { outboxStatus } from "./outbox_status.ts";
import { type SignInReason, otherPerson, person, signInNeeded } from "./session.ts";
import { SignInForm, type SignInWords } from "./sign_in_form.tsx";

/**
 * While somebody has to sign in; nothing otherwise. Where a sign-in has just run out, the page goes on, for a form that came up
 * by itself would get the next keys: a line says it, and the form comes when it is wanted. What is not for who sits there now is
 * covered at once.
 */
export function SignInOverlay({ words }: { readonly words: SignInWords }): VNode | null {
  const why = signInNeeded.value;
  const [isWanted, setWanted] = useState(false);
  useEffect(() => {
    if (why === null) setWanted(false);
  }, [why]);
  if (why === null) return null;
  if (why !== "ended") return <Overlay key={why} why={why} words={words} />;
  return (
    <>
      <p class="notice at-foot" data-tone="warn" role="status">
        {words.say("sign_in.ended")}
        <button type="button" class="button button-main" onClick={() => setWanted(true)}>
          {words.say("nav.sign_in")}
        </button>
      </p>
      {isWanted && <Overlay why={why} words={words} onLater={() => setWanted(false)} />}
    </>
  );
}

interface OverlayProps {
  readonly why: SignInReason;
  readonly words: SignInWords;
  readonly onLater?: () => void;
}

function Overlay({ why, words, onLater }: OverlayProps): VNode {
  const frame = useRef<HTMLDivElement>(null);
  // From before the form inside takes it.
  const [before] = useState(() => document.activeElement);
  useLayoutEffect(() => (frame.current === null ? undefined : guardFocus(frame.current, before)), []);
  const name = person.value?.name ?? "";
  const other = otherPerson.value;
  const status = outboxStatus.value;
  const isNowhere = status?.storage === "memory";
  const n = status === null ? 0 : status.queued + status.sending + (isNowhere ? status.storing : 0);
  const kept = isNowhere ? "sign_in.nowhere" : why === "other_person" ? "sign_in.other.kept" : "sign_in.kept";
  // What somebody else may not read is not behind the form, but gone from the screen.
  const isCovered = why === "signed_out" || why === "other_person";
  const onKeyDown = (event: KeyboardEvent): void => {
    event.stopPropagation();
    if (event.key === "Escape") onLater?.();
  };
  return (
    <div class={isCovered ? "veil veil-full" : "veil"}>
      <div ref={frame} class="dialog" role="dialog" aria-modal="true" aria-labelledby="sign-in-title" tabIndex={-1} onKeyDown={onKeyDown}>
        <div class="dialog-top">
          <h2 id="sign-in-title">{words.say(why === "nobody" ? "sign_in.title" : "sign_in.title.again")}</h2>
          {onLater !== undefined && (
            <button type="button" class="button" onClick={onLater}>
              {words.say("sign_in.later")}
            </button>
          )}
        </div>
        {why === "signed_out" && <p>{words.say("sign_in.signed_out", { name })}</p>}
        {why === "other_person" && <p>{words.say("sign_in.other", { name, other: other?.name ?? "" })}</p>}
        {n > 0 && name !== "" && <p>{words.say(kept, { n, name })}</p>}
        {other !== null && (
          <a class="button" href="/app/" target={n > 0 && isNowhere ? "_blank" : undefined}>
            {words.say("sign_in.other.go", { other: other.name })}
          </a>
        )}
        {isCovered && name !== "" && <h3>{words.say("sign_in.as", { name })}</h3>}
        <SignInForm words={words} isFocused={other === null} />
        <a href="/sign-in">{words.say("nav.plain")}</a>
      </div>
    </div>
  );
}

/** Focus stays in the form, and goes back to where the person typed. */
function guardFocus(dialog: HTMLElement, before: Element | null): () => void {
  const keepInside = (event: FocusEvent): void => {
    if (event.target instanceof Node && !dialog.contains(event.target)) dialog.focus();
  };
  document.addEventListener("focusin", keepInside);
  return () => {
    document.removeEventListener("focusin", keepInside);
    if (before instanceof HTMLElement && before.isConnected) before.focus();
  };
}
