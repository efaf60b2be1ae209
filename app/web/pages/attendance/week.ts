/** The week at a glance: who had which mark on which day. Nothing is changed here. */
import type { SectionView, Student } from "../../section/types.ts";
import { itemOf, plusDays, weekdayOf } from "./day.ts";
import { type Mark, isKept, isTaken, readMark } from "./roll.ts";

export interface WeekDay {
  readonly day: string;
  readonly isTaken: boolean;
  /** It has not come yet: it has no link, and its cells say nothing. */
  readonly isFuture: boolean;
}

export interface WeekRow {
  readonly student: Student;
  /** A mark for each of the days; null where there is none. */
  readonly marks: readonly (Mark | null)[];
}

export interface Week {
  readonly days: readonly WeekDay[];
  readonly rows: readonly WeekRow[];
}

/** Monday to Sunday of the week that the day is in. */
export function weekAround(day: string): readonly string[] {
  const monday = plusDays(day, 1 - weekdayOf(day));
  return [0, 1, 2, 3, 4, 5, 6].map((days) => plusDays(monday, days));
}

/** Monday to Friday around the day; Saturday and Sunday only if it is that day, or has marks. */
export function readWeek(view: Pick<SectionView, "cell">, students: readonly Student[], day: string, today: string): Week {
  const marksOf = (on: string): readonly (Mark | null)[] =>
    students.map(({ student_id }) => {
      const mark = readMark(view.cell({ kind: "attendance", item: itemOf(on), student: student_id }).value);
      return mark.category === null ? null : mark;
    });
  const columns = weekAround(day)
    .map((on) => ({ on, marks: marksOf(on), isTaken: wasTaken(view, on) }))
    .filter(({ on, marks, isTaken: taken }) => weekdayOf(on) < 6 || on === day || taken || marks.some((mark) => mark !== null));
  const rows = students
    .map((student, at) => ({ student, marks: columns.map(({ marks }) => marks[at] ?? null) }))
    .filter(({ student, marks }) => student.is_active || marks.some((mark) => mark !== null));
  return { days: columns.map(({ on, isTaken: taken }) => ({ day: on, isTaken: taken, isFuture: on > today })), rows };
}

/** An entry that was refused says nothing of the roll. */
function wasTaken(view: Pick<SectionView, "cell">, day: string): boolean {
  const cell = view.cell({ kind: "roll_taken", item: itemOf(day), student: 0 });
  return isTaken(cell.value) && isKept(cell);
}
