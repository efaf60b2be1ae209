/** Signing in: as the home page, and over any page whose sign-in has ended. What is typed behind it stays. */
import type { TargetedSubmitEvent, VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { SharedWords } from "../words/words.ts";
import { outboxStatus } from "./outbox.ts";
import { type SignInAnswer, type SignInReason, otherPerson, person, signIn, signInNeeded, unreachableSince } from "./session.ts";

interface FormProps {
  readonly words: SharedWords;
  /** Told after the server has said yes. */
  readonly onDone?: () => void;
  readonly isFocused?: boolean;
}

/** User name and password, as password managers and pasting expect them; nothing here asks for a puzzle. */
export function SignInForm({ words, onDone, isFocused = false }: FormProps): VNode {
  const [said, say] = useState<SignInAnswer | null>(null);
  const [isBusy, setBusy] = useState(false);
  const seconds = useCountdown(said);
  const name = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (isFocused) name.current?.focus();
  }, []);
  const submit = async (event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    if (isBusy || seconds > 0 || name.current === null || password.current === null) return;
    setBusy(true);
    const answer = await signIn(name.current.value.trim(), password.current.value);
    setBusy(false);
    say(answer);
    if (answer.is === "signed_in") onDone?.();
    else if (answer.is === "wrong_password") password.current.select();
  };
  const problem = problemOf(said, seconds, words);
  const wrong = said?.is === "wrong_password" ? ({ "aria-invalid": true, "aria-describedby": "sign-in-problem" } as const) : {};
  return (
    <form class="sign-in" method="post" action="/sign-in" onSubmit={(event) => void submit(event)}>
      <label class="labelled">
        {words.say("sign_in.username")}
        <input ref={name} class="field" name="username" type="text" autocomplete="username" autocapitalize="none" spellcheck={false} required {...wrong} />
      </label>
      <label class="labelled">
        {words.say("sign_in.password")}
        <input ref={password} class="field" name="password" type="password" autocomplete="current-password" required {...wrong} />
      </label>
      <label class="tick">
        <input type="checkbox" onChange={(event) => password.current?.setAttribute("type", event.currentTarget.checked ? "text" : "password")} />
        {words.say("sign_in.show")}
      </label>
      <p id="sign-in-problem" class="wrong" role="alert">
        {problem}
      </p>
      <button type="submit" class="button button-main" aria-disabled={isBusy || seconds > 0}>
        {words.say(isBusy ? "sign_in.busy" : "sign_in.button")}
      </button>
    </form>
  );
}

/** The seconds that the server wants left in peace; counts down to 0. */
function useCountdown(said: SignInAnswer | null): number {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    if (said?.is !== "wait") return undefined;
    const until = Date.now() + said.seconds * 1_000;
    const tick = (): void => setLeft(Math.max(0, Math.ceil((until - Date.now()) / 1_000)));
    tick();
    const timer = setInterval(tick, 1_000);
    return () => clearInterval(timer);
  }, [said]);
  return said?.is === "wait" ? left : 0;
}

function problemOf(said: SignInAnswer | null, seconds: number, words: SharedWords): string {
  if (said?.is === "wrong_password") return words.say("sign_in.wrong_password");
  if (said?.is === "unreachable" || (said === null && unreachableSince.value !== null)) return words.say("sign_in.unreachable");
  return said?.is === "wait" && seconds > 0 ? words.say("sign_in.wait", { n: said.seconds }) : "";
}

/**
 * While somebody has to sign in; nothing otherwise. Where a sign-in has just run out, the page goes on, for a form that came up
 * by itself would get the next keys: a line says it, and the form comes when it is wanted. What is not for who sits there now is
 * covered at once.
 */
export function SignInOverlay({ words, hasOwnForm }: { readonly words: SharedWords; readonly hasOwnForm: boolean }): VNode | null {
  const why = signInNeeded.value;
  const [isWanted, setWanted] = useState(false);
  useEffect(() => {
    if (why === null) setWanted(false);
  }, [why]);
  if (why === null || (why === "nobody" && hasOwnForm)) return null;
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
  readonly words: SharedWords;
  readonly onLater?: () => void;
}

function Overlay({ why, words, onLater }: OverlayProps): VNode {
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => (frame.current === null ? undefined : guardFocus(frame.current)), []);
  const name = person.value?.name ?? "";
  const other = otherPerson.value;
  const status = outboxStatus.value;
  const n = status === null ? 0 : status.queued + status.sending + status.storing;
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
        {n > 0 && name !== "" && <p>{words.say(why === "other_person" ? "sign_in.other.kept" : "sign_in.kept", { n, name })}</p>}
        {other !== null && (
          <a class="button" href="/app/">
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
function guardFocus(dialog: HTMLElement): () => void {
  const before = document.activeElement;
  const keepInside = (event: FocusEvent): void => {
    if (event.target instanceof Node && !dialog.contains(event.target)) dialog.focus();
  };
  document.addEventListener("focusin", keepInside);
  return () => {
    document.removeEventListener("focusin", keepInside);
    if (before instanceof HTMLElement && before.isConnected) before.focus();
  };
}
