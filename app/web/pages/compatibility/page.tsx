/** A sentence for each ability, with what was found when it was tried. */
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Head } from "../../section/frame.tsx";
import type { Key, Words } from "../../words/words.ts";
import {
  type Ability,
  type Finding,
  type Verdict,
  askLasting,
  tryClock,
  tryDisk,
  tryLasting,
  tryLeaving,
  tryOffline,
  tryPrivate,
  trySpace,
  tryTabs,
} from "./tried.ts";

type CompatibilityWords = Words<Key<"compatibility">>;
type Findings = Partial<Record<Ability, Finding>>;

const ABILITIES: readonly Ability[] = ["disk", "strict", "lasting", "space", "offline", "tabs", "leaving", "clock", "private"];
const TONES: Readonly<Record<Verdict, string | undefined>> = { yes: "ok", partly: "warn", no: "bad", unknown: undefined };

export function CompatibilityPage({ words }: { readonly words: CompatibilityWords }): VNode {
  const [findings, setFindings] = useState<Findings>({});
  const note = (more: Findings): void => setFindings((before) => ({ ...before, ...more }));
  useEffect(() => {
    document.title = `${words.say("can.title")} · Inkfast`;
    note({ tabs: tryTabs(), leaving: tryLeaving(), private: tryPrivate() });
    void tryDisk().then(note);
    void tryLasting().then((lasting) => note({ lasting }));
    void trySpace().then((space) => note({ space }));
    void tryOffline().then((offline) => note({ offline }));
    void tryClock().then((clock) => note({ clock }));
  }, [words]);
  const ask = async (): Promise<void> => note({ lasting: await askLasting() });
  return (
    <>
      <Head words={words} page="compatibility" />
      <main class="wide">
        <h1>{words.say("can.title")}</h1>
        <p class="quiet">{words.say("can.lead")}</p>
        <ul class="abilities" aria-live="polite">
          {ABILITIES.map((ability) => (
            <li key={ability} class="card" data-ability={ability} data-verdict={findings[ability]?.verdict}>
              <h2>{words.say(`can.${ability}`)}</h2>
              <Found ability={ability} finding={findings[ability]} words={words} />
              {ability === "lasting" && findings.lasting?.verdict === "partly" && (
                <button type="button" class="button" onClick={() => void ask()}>
                  {words.say("can.ask")}
                </button>
              )}
            </li>
          ))}
        </ul>
        <p>
          {words.say("can.plain")} <a href="/sign-in">{words.say("nav.plain")}</a>
        </p>
        <p class="quiet">{words.say("can.browser", { agent: navigator.userAgent })}</p>
      </main>
    </>
  );
}

interface FoundProps {
  readonly ability: Ability;
  readonly finding: Finding | undefined;
  readonly words: CompatibilityWords;
}

function Found({ ability, finding, words }: FoundProps): VNode {
  if (finding === undefined) return <p class="quiet">{words.say("can.trying")}</p>;
  const key = `can.${ability}.${finding.sentence}`;
  return (
    <p>
      <span class="badge" data-tone={TONES[finding.verdict]}>
        {words.say(`can.${finding.verdict}`)}
      </span>{" "}
      {words.has(key) ? words.say(key, finding.values) : ""}
    </p>
  );
}
