/** Signing out: sections leave this computer, and what is not sent stays, for the one who typed it. */
import { noteLeftWork } from "./left_work.ts";
import { hasNowhere, nowhereLock } from "./nowhere.ts";
import { openPageStore } from "./outbox.ts";
import { remember } from "./remembered.ts";
import { SIGNED_IN, SIGN_OUT_DUE, isSignOutDue, person, signInNeeded, tellSignOut } from "./session.ts";
import { forgetSnapshots } from "./snapshots.ts";

/**
 * How many changes of the person no server holds: what signing out would leave here. Read from the disk, for a page that has just
 * been opened may not have counted yet.
 */
export async function unsentChanges(): Promise<number> {
  const { outbox } = await openPageStore();
  await outbox.run(() => {});
  const { storing, queued, sending } = outbox.status();
  return storing + queued + sending;
}

/** Whether another page of the person has changes that are nowhere else; false where the browser does not tell. */
export async function isNowhereElsewhere(): Promise<boolean> {
  const { outbox } = await openPageStore();
  const own = hasNowhere(outbox.status()) ? 1 : 0;
  try {
    const { held = [] } = await navigator.locks.query();
    return held.filter(({ name }) => name === nowhereLock(Number(outbox.user))).length > own;
  } catch {
    return false;
  }
}

/**
 * True if the server knows; else it is told as soon as it can be reached. What this computer has to forget does not wait for the
 * server, which may take its time, and whoever signs out closes the window. Nor does the server wait for a disk that another
 * tab holds.
 */
export async function signOut(): Promise<boolean> {
  const who = person.value;
  const { outbox, snapshots } = await openPageStore();
  const unsent = await unsentChanges();
  const n = outbox.status().storage === "memory" ? 0 : unsent; // what is nowhere but in this page goes with it
  await outbox.close();
  if (who !== null) noteLeftWork({ user_id: who.user_id, name: who.name, n });
  const isKnown = endSession(); // the other tabs hear of it before the disk is cleared
  await globalThis.caches?.delete(SIGNED_IN).catch(() => undefined);
  await snapshots.close();
  if (who !== null) await forgetSnapshots(who.user_id);
  return isKnown;
}

/**
 * Nobody is signed in from now on, here and at the server. True if the server knows. Its cookies cannot be taken away from here:
 * until it answers, this browser remembers that it has to be told.
 */
async function endSession(): Promise<boolean> {
  remember(SIGN_OUT_DUE, "yes");
  remember(SIGNED_IN, null);
  person.value = null;
  try {
    await tellSignOut();
  } catch {
    // No network: it is told with the next question.
  }
  signInNeeded.value = "nobody";
  return !isSignOutDue();
}
