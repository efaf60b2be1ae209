/** The outbox of this page: opened once, for whom the page works for, and told when a person has signed in again. */
import { type Outbox, openOutbox } from "@inkfast/outbox";
import { noteLeftWork } from "./left_work.ts";
import { hasNowhere, holdNowhere } from "./nowhere.ts";
import { outboxStatus } from "./outbox_status.ts";
import { inTheNameOf, otherPerson, renew, signInNeeded, startSession, unreachableSince } from "./session.ts";
import { Snapshots } from "./snapshots.ts";
import { learntOf } from "./view.ts";
import { afterChange } from "./watched.ts";

export interface PageStore {
  readonly outbox: Outbox;
  readonly snapshots: Snapshots;
}

let opened: Promise<PageStore> | undefined;

/** Waits until somebody is signed in, or the disk knows who was. */
export function openPageStore(): Promise<PageStore> {
  opened ??= open();
  return opened;
}

export async function outboxOfPage(): Promise<Outbox> {
  return (await openPageStore()).outbox;
}

async function open(): Promise<PageStore> {
  const who = await startSession();
  const snapshots = new Snapshots(who.user_id);
  const headers = (): Record<string, string> => {
    if (otherPerson.value !== null) throw new Error("somebody else is signed in");
    return inTheNameOf(who);
  };
  const outbox = openOutbox({ user: who.user_id, headers, makeRoom: () => snapshots.makeRoom() });
  outbox.on("status", (status) => {
    const hasEnded = status.signInRequired && outboxStatus.value?.signInRequired !== true;
    outboxStatus.value = status;
    if (hasEnded) void goOn(outbox);
  });
  outbox.on("acknowledged", () => {
    unreachableSince.value = null;
  });
  // What has left the outbox stands in its cells, also where the snapshot on disk is older: a page that is opened without a
  // network shows it. Of every section, for this page may send what another one was closed with.
  outbox.on("recorded", ({ section, edits }) => {
    void snapshots.write(section, { learnt: edits.map((edit) => learntOf(edit, who.user_id)) });
  });
  outboxStatus.value = outbox.status();
  // Where the form was needed, it closes when somebody has signed in: then what waits is sent.
  // Where it was ended on purpose, nothing more is sent from here: whoever signs in then gets a fresh page. But what is nowhere but
  // in this page would go with it: that waits here until the same person has signed in again, and goes on then.
  let wasNeeded = false;
  let isClosed = false;
  afterChange(() => {
    const why = signInNeeded.value;
    if (wasNeeded && why === null) isClosed ? location.reload() : outbox.signedIn();
    const isNowhere = hasNowhere(outbox.status());
    holdNowhere(who.user_id, isNowhere);
    if (!isClosed && !isNowhere && (why === "other_person" || why === "signed_out")) {
      isClosed = true;
      void outbox.close();
    }
    wasNeeded = why !== null;
  });
  noteLeftWork({ user_id: who.user_id, name: who.name, n: 0 });
  return { outbox, snapshots };
}

/** A grant that has ended is renewed, and only if that fails is anybody asked to sign in. */
async function goOn(outbox: Outbox): Promise<void> {
  await renew();
  if (signInNeeded.value === null) outbox.signedIn();
}
