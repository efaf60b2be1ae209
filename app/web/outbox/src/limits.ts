/** How much, and how long. */

/** One request; the server takes 65,536 bytes. */
export const EDITS_MAX = 200;
export const BYTES_MAX = 60_000;
export const ACKS_MAX = 50;

/** With the disk, before somebody is told that it is not there; doubled each time that it comes later. */
export const PATIENCE_MS = 10_000;
export const DISK_TRIES_MAX = 3;
export const DISK_REST_MS = 30_000;

export const ANSWER_MS_MAX = 15_000;
/** Then a tab that holds the lock is taken to be frozen. */
export const HOLDER_MS_MAX = 30_000;
export const HOLDER_LOOK_MS = 1_000;
export const WINDOW_MS = 5_000;
export const BACKOFF_MS_MAX = 60_000;
export const RETRY_AFTER_MS_MAX = 3_600_000;
