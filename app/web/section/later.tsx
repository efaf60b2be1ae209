/**
 * A part of a page that is fetched when it is first wanted: the page itself begins sooner. The worker keeps the files of a version
 * on this computer, so that a part comes without a network too.
 *
 *     const seats = later(async () => (await import("./seats_form.tsx")).SeatsForm, () => say("It could not be loaded."));
 *     <seats.Part call={call} />
 */
import type { ComponentType, VNode } from "preact";
import { changed } from "./watched.ts";

export interface Later<P, First> {
  /** Draws nothing until the part is there. */
  readonly Part: (props: P) => VNode | null;
  /** It may be wanted soon: fetch it now. */
  readonly prepare: (props: First) => void;
}

/**
 * `load` is given what the part is drawn with the first time. Where the part is wanted and does not come, `missed` is called, and
 * it is asked for again when it is drawn again.
 */
export function later<P extends First, First extends object = P>(
  load: (props: First) => Promise<ComponentType<P>>,
  missed: (props: First) => void,
): Later<P, First> {
  let part: ComponentType<P> | undefined;
  let loading: Promise<void> | undefined;
  let isWanted = false;
  const fetchOnce = (props: First): Promise<void> => {
    loading ??= load(props).then(
      (found) => {
        part = found;
        changed();
      },
      (error: unknown) => {
        loading = undefined;
        throw error;
      },
    );
    return loading;
  };
  const wanted = async (props: P): Promise<void> => {
    isWanted = true;
    try {
      await fetchOnce(props);
    } catch {
      missed(props);
    }
    isWanted = false;
  };
  const Part = (props: P): VNode | null => {
    const Found = part;
    if (Found !== undefined) return <Found {...props} />;
    if (!isWanted) void wanted(props);
    return null;
  };
  return { Part, prepare: (props) => void fetchOnce(props).catch(() => undefined) };
}
