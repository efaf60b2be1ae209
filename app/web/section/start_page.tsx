/** What every page has around it: the form over it when somebody has to sign in, and the line about a new version. */
import type { VNode } from "preact";
import { type SharedWords, withArea } from "../words/words.ts";
import { later } from "./later.tsx";
import { ZONE, remembered } from "./remembered.ts";
import { signInNeeded } from "./session.ts";
import { changed, draw } from "./watched.ts";
import { isNewVersionThere, registerWorker } from "./worker_registration.ts";

const FORM_AGAIN_MS = 5_000;

interface Start {
  /** The home page has its own form, for when nobody is signed in. */
  readonly hasOwnForm?: boolean;
}

/** Call it once, when the words are there; the page renders itself into `#page` before or after. */
export function startPage(words: SharedWords, { hasOwnForm = false }: Start = {}): void {
  const zone = remembered(ZONE);
  if (zone !== null) words.inZone(zone);
  const around = document.createElement("div");
  around.className = "around";
  document.body.append(around);
  draw(
    () => (
      <>
        <NewVersion words={words} />
        <SignIn words={words} hasOwnForm={hasOwnForm} />
      </>
    ),
    around,
  );
  leaveRoom(around);
  registerWorker();
}

/** The form is fetched when it is needed: without a network nobody can sign in anyway. */
const form = later(
  async (first: { readonly words: SharedWords }) => {
    const [{ SignInOverlay }, words] = await Promise.all([import("./sign_in.tsx"), withArea(first.words, "sign_in")]);
    return () => <SignInOverlay words={words} />;
  },
  () => void setTimeout(changed, FORM_AGAIN_MS),
);

function SignIn({ words, hasOwnForm }: { readonly words: SharedWords; readonly hasOwnForm: boolean }): VNode | null {
  const why = signInNeeded.value;
  return why === null || (why === "nobody" && hasOwnForm) ? null : <form.Part words={words} />;
}

/** The height of the lines at the foot is known to the styles: nothing lies under them. */
function leaveRoom(around: HTMLElement): void {
  const watch = new ResizeObserver(() => document.documentElement.style.setProperty("--foot", `${around.offsetHeight}px`));
  watch.observe(around);
}

/** Loading anew is a person's choice: nothing is interrupted, and nothing typed is lost either way. */
function NewVersion({ words }: { readonly words: SharedWords }): VNode | null {
  if (!isNewVersionThere.value) return null;
  return (
    <p class="notice at-foot" role="status">
      {words.say("version.new")}
      <button type="button" class="button" onClick={() => location.reload()}>
        {words.say("version.reload")}
      </button>
    </p>
  );
}
