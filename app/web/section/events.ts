/** What others do in the sections that are open here, as it happens. */
import type { CellColumns, Presence } from "./types.ts";

export interface SectionListener {
  readonly cells: (columns: CellColumns) => void;
  readonly presence: (users: readonly Presence[]) => void;
  /** Events may have been lost, or there is no stream: read the section again. */
  readonly missed: () => void;
}

const listeners: Map<number, Set<SectionListener>> = new Map();

/** Listen to a section until the returned function is called. */
export function watchSection(section: number, listener: SectionListener): () => void {
  const those = listeners.get(section) ?? new Set();
  listeners.set(section, those.add(listener));
  return () => {
    those.delete(listener);
  };
}
