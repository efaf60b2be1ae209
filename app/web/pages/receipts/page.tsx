/** A table of acknowledgements that can be printed; each opens to its entries and the whole receipt. */
import type { Acknowledgement } from "@inkfast/outbox";
import { shortForm } from "@inkfast/outbox/receipt";
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Head } from "../../section/frame.tsx";
import { outboxOfPage } from "../../section/outbox.ts";
import { keptSection, loadList, sectionList } from "../../section/section_list.ts";
import { serverNow } from "../../section/server_clock.ts";
import { person } from "../../section/session.ts";
import "../../section/signed_in.ts";
import { StatusLine } from "../../section/status_line.tsx";
import type { Snapshot } from "../../section/types.ts";
import type { Key, Words } from "../../words/words.ts";
import { describeEntry, timeWithSeconds, whatOf } from "./described.ts";

export type ReceiptWords = Words<Key<"receipts">>;

export function ReceiptsPage({ words }: { readonly words: ReceiptWords }): VNode {
  const receipts = useReceipts();
  const sections = useSections(receipts ?? []);
  useEffect(() => void loadList(), []);
  const name = person.value?.name ?? "";
  return (
    <>
      <Head words={words} page="receipts">
        <StatusLine words={words} title={`${words.say("receipts.title")} · Inkfast`} />
      </Head>
      <main class="wide">
        <div class="receipts-top">
          <h1>{words.say("receipts.title")}</h1>
          <button type="button" class="button" onClick={() => printAll()}>
            {words.say("receipts.print")}
          </button>
        </div>
        <p class="print-only">{words.say("receipts.of", { name, at: words.at(serverNow(), 0) })}</p>
        {receipts !== null && <Receipts receipts={receipts} sections={sections} words={words} />}
        <section class="card">
          <h2>{words.say("receipts.how.title")}</h2>
          <p>{words.say("receipts.how")}</p>
          <p class="quiet">{words.say("receipts.kept")}</p>
        </section>
      </main>
    </>
  );
}

/** null until the disk has answered; read again whenever the district confirms something. */
function useReceipts(): readonly Acknowledgement[] | null {
  const [receipts, setReceipts] = useState<readonly Acknowledgement[] | null>(null);
  useEffect(() => {
    let unlisten: (() => void) | undefined;
    let isGone = false;
    void outboxOfPage().then(async (outbox) => {
      const look = async (): Promise<void> => setReceipts(await outbox.acknowledgements());
      if (!isGone) unlisten = outbox.on("acknowledged", () => void look());
      await look();
    });
    return () => {
      isGone = true;
      unlisten?.();
    };
  }, []);
  return receipts;
}

/** What this computer knows of the sections that the receipts are about: titles of columns, names of students. */
function useSections(receipts: readonly Acknowledgement[]): ReadonlyMap<number, Snapshot> {
  const [known, setKnown] = useState<ReadonlyMap<number, Snapshot>>(new Map());
  const ids = [...new Set(receipts.map(({ section }) => section))].sort((a, b) => a - b);
  useEffect(() => {
    void Promise.all(ids.map(async (id) => [id, await keptSection(id)] as const)).then((found) => {
      setKnown(new Map(found.flatMap(([id, snapshot]) => (snapshot === undefined ? [] : [[id, snapshot] as const]))));
    });
  }, [ids.join()]);
  return known;
}

interface ReceiptsProps {
  readonly receipts: readonly Acknowledgement[];
  readonly sections: ReadonlyMap<number, Snapshot>;
  readonly words: ReceiptWords;
}

function Receipts({ receipts, sections, words }: ReceiptsProps): VNode {
  if (receipts.length === 0) return <p class="card">{words.say("receipts.none")}</p>;
  return (
    <>
      <p class="quiet">{words.say("receipts.lead", { n: receipts.length })}</p>
      <div class="scroll">
        <table class="table receipts">
          <thead>
            <tr>
              <th scope="col">{words.say("receipts.when")}</th>
              <th scope="col">{words.say("receipts.section")}</th>
              <th scope="col">{words.say("receipts.what")}</th>
              <th scope="col">{words.say("receipts.code")}</th>
            </tr>
          </thead>
          <tbody>
            {receipts.map((receipt) => (
              <Row key={receipt.receipt} receipt={receipt} section={sections.get(receipt.section)} words={words} />
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

interface RowProps {
  readonly receipt: Acknowledgement;
  readonly section: Snapshot | undefined;
  readonly words: ReceiptWords;
}

function Row({ receipt, section, words }: RowProps): VNode {
  const listed = sectionList.value?.sections.find(({ section_id }) => section_id === receipt.section);
  const title = section?.section.title ?? listed?.title ?? words.say("receipts.unnamed", { id: String(receipt.section) });
  return (
    <tr>
      <td class="when">
        {words.day(words.read(receipt.at).day, "short")}, {timeWithSeconds(receipt.at, words)}
      </td>
      <td>{title}</td>
      <td>
        {whatOf(receipt, words)}
        <details>
          <summary>{words.say("receipts.details")}</summary>
          <ul>
            {receipt.edits.map((edit) => (
              <li key={edit.edit_id}>{describeEntry(edit, section, words)}</li>
            ))}
          </ul>
          <code>{receipt.receipt}</code>
        </details>
      </td>
      <td class="short">{shortForm(receipt.receipt)}</td>
    </tr>
  );
}

/** On paper everything is open. */
function printAll(): void {
  const closed = [...document.querySelectorAll("details")].filter((details) => !details.open);
  for (const details of closed) details.open = true;
  window.print();
  for (const details of closed) details.open = false;
}
