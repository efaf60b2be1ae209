/** User name and password. Nothing here opens the outbox: who is not signed in has none yet. */
import type { TargetedSubmitEvent, VNode } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Key, Words } from "../words/words.ts";
import { type SignInAnswer, signIn } from "./login.ts";
import { unreachableSince } from "./session.ts";

export type SignInWords = Words<Key<"sign_in">>;

interface FormProps {
  readonly words: SignInWords;
  /** Told after the server has said yes. */
  readonly onDone?: () => void;
  readonly isFocused?: boolean;
}

/** As password managers and pasting expect them; nothing here asks for a puzzle. */
export function SignInForm({ words, onDone, isFocused = false }: FormProps): VNode {
  const [said, say] = useState<SignInAnswer | null>(null);
  const [isBusy, setBusy] = useState(false);
  const seconds = useCountdown(said);
  const name = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  // Before the page is painted: later the focus could be taken from a box that somebody is typing into.
  useLayoutEffect(() => {
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

/** The seconds that the server wants left in peace; counts down to 0. They begin with the answer, and not with an effect after it. */
function useCountdown(said: SignInAnswer | null): number {
  const kept = useRef<{ readonly said: SignInAnswer | null; readonly until: number } | null>(null);
  if (kept.current?.said !== said) kept.current = { said, until: said?.is === "wait" ? Date.now() + said.seconds * 1_000 : 0 };
  const until = kept.current?.until ?? 0;
  const [, drawAgain] = useState(0);
  useEffect(() => {
    if (until === 0) return undefined;
    const timer = setInterval(() => drawAgain(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [until]);
  return Math.max(0, Math.ceil((until - Date.now()) / 1_000));
}

function problemOf(said: SignInAnswer | null, seconds: number, words: SignInWords): string {
  if (said?.is === "wrong_password") return words.say("sign_in.wrong_password");
  if (said?.is === "unreachable" || (said === null && unreachableSince.value !== null)) return words.say("sign_in.unreachable");
  return said?.is === "wait" && seconds > 0 ? words.say("sign_in.wait", { n: said.seconds }) : "";
}
