/** A few words that this browser remembers between pages. A browser that may not store them answers null, and goes on. */

/** The zone of the school whose section was opened last: pages of no single section tell times by its clock. */
export const ZONE = "inkfast.zone";

export function remembered(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** What was remembered as JSON; null also for what is none. */
export function rememberedJson(name: string): unknown {
  try {
    return JSON.parse(remembered(name) ?? "null");
  } catch {
    return null;
  }
}

/** Remember, or with null forget; false where this browser cannot. */
export function remember(name: string, value: string | null): boolean {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
    return true;
  } catch {
    return false;
  }
}
