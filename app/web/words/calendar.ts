/** Moments, days and times of day as the person's language writes them, by the clock of the school. */

/** A moment taken apart by the school's clock: `hour` from 1 to 12, `time` for people, `day` and `clock` as they are stored. */
export interface Moment {
  readonly hour: number;
  readonly time: string;
  /** `yyyy-mm-dd` */
  readonly day: string;
  /** `hh:mm` */
  readonly clock: string;
}

/** How a day is written: with weekday and month; short, without the weekday; the weekday alone, whole or in few letters. */
export type DayStyle = "long" | "short" | "weekday" | "weekday-short" | "number";

const DAY_STYLES: Readonly<Record<DayStyle, Intl.DateTimeFormatOptions>> = {
  long: { weekday: "long", month: "long", day: "numeric" },
  short: { month: "short", day: "numeric" },
  weekday: { weekday: "long" },
  "weekday-short": { weekday: "short" },
  number: { day: "numeric" },
};

interface Clocks {
  readonly time: Intl.DateTimeFormat;
  readonly parts: Intl.DateTimeFormat;
}

export class Calendar {
  readonly locale: string;
  /** The zone that moments are told in; undefined: the browser's own. */
  timeZone: string | undefined;
  #clocks: Clocks;
  readonly #collator: Intl.Collator;
  readonly #days: Map<DayStyle, Intl.DateTimeFormat> = new Map();

  constructor(locale: string) {
    this.locale = locale;
    this.#clocks = this.#clocksOf(undefined);
    this.#collator = new Intl.Collator(locale, { numeric: true });
  }

  /** From now on moments are told by the clock of this IANA zone. A zone that the browser does not know leaves its own. */
  inZone(zone: string): this {
    try {
      this.#clocks = this.#clocksOf(zone);
      this.timeZone = zone;
    } catch {
      this.#clocks = this.#clocksOf(undefined);
    }
    return this;
  }

  /** "2:41 pm" */
  time(moment: number | string): string {
    return asWritten(this.#clocks.time.format(new Date(moment)));
  }

  /** A time of day as it is stored, "08:12", for people: "8:12 am". */
  timeOfDay(stored: string): string {
    const [hours, minutes] = stored.split(":").map(Number);
    const written = new Intl.DateTimeFormat(this.locale, { hour: "numeric", minute: "2-digit", timeZone: "UTC" });
    return asWritten(written.format(Date.UTC(2000, 0, 1, hours, minutes)));
  }

  /** A day as it is stored, `yyyy-mm-dd`, for people: "Tuesday, November 4". */
  day(stored: string, style: DayStyle = "long"): string {
    const [year = 0, month = 1, day = 1] = stored.split("-").map(Number);
    // Making a format takes longer than using it: sixty columns have sixty days.
    let format = this.#days.get(style);
    if (format === undefined) this.#days.set(style, (format = new Intl.DateTimeFormat(this.locale, { ...DAY_STYLES[style], timeZone: "UTC" })));
    return format.format(Date.UTC(year, month - 1, day));
  }

  /** A moment by the school's clock. */
  read(moment: number | string): Moment {
    const found: Record<string, string> = {};
    for (const { type, value } of this.#clocks.parts.formatToParts(new Date(moment))) found[type] = value;
    const hour = Number(found["hour"]) % 24; // midnight is 24 in some browsers
    return {
      hour: hour % 12 || 12,
      time: this.time(moment),
      day: `${found["year"]}-${found["month"]}-${found["day"]}`,
      clock: `${String(hour).padStart(2, "0")}:${found["minute"]}`,
    };
  }

  /** Compare for an alphabetical order of this language. */
  compare(a: string, b: string): number {
    return this.#collator.compare(a, b);
  }

  #clocksOf(zone: string | undefined): Clocks {
    const inZone = zone === undefined ? {} : { timeZone: zone };
    const digits = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hour12: false } as const;
    return {
      time: new Intl.DateTimeFormat(this.locale, { hour: "numeric", minute: "2-digit", ...inZone }),
      parts: new Intl.DateTimeFormat("en-US", { ...digits, ...inZone }),
    };
  }
}

/** As people write it, in every browser: "2:41 pm", with a space that does not break. */
export function asWritten(time: string): string {
  return time.replace(/[AP]M/, (half) => half.toLowerCase()).replace(/[\u202f ]/g, "\u00a0");
}
