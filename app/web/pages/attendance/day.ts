/** Days of the calendar as they are stored, `yyyy-mm-dd`. No clock and no zone: a day is a day at the school. */

const DAY_MS = 86_400_000;

function toMs(day: string): number {
  return Date.parse(`${day}T00:00:00Z`);
}

function fromMs(moment: number): string {
  return new Date(moment).toISOString().slice(0, 10);
}

/** Whether this is a day of the calendar. */
export function isDay(text: string | null): text is string {
  if (text === null || !/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const moment = toMs(text);
  return !Number.isNaN(moment) && fromMs(moment) === text;
}

export function plusDays(day: string, days: number): string {
  return fromMs(toMs(day) + days * DAY_MS);
}

/** 1: Monday, to 7: Sunday. */
export function weekdayOf(day: string): number {
  return new Date(toMs(day)).getUTCDay() || 7;
}

/** The nearest Monday to Friday before or after a day. */
export function nextWeekday(day: string, step: 1 | -1): string {
  let found = plusDays(day, step);
  while (weekdayOf(found) > 5) found = plusDays(found, step);
  return found;
}

/** The day whose roll is shown: the one asked for, unless it is none or has not come yet; else today. */
export function dayToShow(asked: string | null, today: string): string {
  return isDay(asked) && asked <= today ? asked : today;
}

/** The item of a day's roll, `yyyymmdd × 100 + meeting`; a section here meets once a day. */
export function itemOf(day: string): number {
  return Number(day.replace(/-/g, "")) * 100;
}
