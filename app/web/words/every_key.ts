/** Both languages have the same keys, and the same keys have plural forms: otherwise `tsc` names the key here. */
import type attendance from "./en/attendance.json";
import type attendance_beside from "./en/attendance_beside.json";
import type compatibility from "./en/compatibility.json";
import type gradebook from "./en/gradebook.json";
import type gradebook_beside from "./en/gradebook_beside.json";
import type home from "./en/home.json";
import type receipts from "./en/receipts.json";
import type refusals from "./en/refusals.json";
import type shared from "./en/shared.json";
import type sign_in from "./en/sign_in.json";
import type trouble from "./en/trouble.json";
import type unavailable from "./en/unavailable.json";
import type asistencia from "./es/attendance.json";
import type junto_a_la_lista from "./es/attendance_beside.json";
import type navegador from "./es/compatibility.json";
import type calificaciones from "./es/gradebook.json";
import type junto_a_las_notas from "./es/gradebook_beside.json";
import type inicio from "./es/home.json";
import type recibos from "./es/receipts.json";
import type rechazos from "./es/refusals.json";
import type entrada from "./es/sign_in.json";
import type comunes from "./es/shared.json";
import type problemas from "./es/trouble.json";
import type no_disponible from "./es/unavailable.json";

/** The keys that only one of two dictionaries has, or that are a sentence in one and plural forms in the other. */
type Differences<A, B> =
  | Exclude<keyof A, keyof B>
  | Exclude<keyof B, keyof A>
  | { [K in keyof A & keyof B]: [A[K] extends string ? 1 : 2] extends [B[K] extends string ? 1 : 2] ? never : K }[keyof A & keyof B];
type None<Found extends never> = Found;

export type SharedDifferences = None<Differences<typeof shared, typeof comunes>>;
export type HomeDifferences = None<Differences<typeof home, typeof inicio>>;
export type GradebookDifferences = None<Differences<typeof gradebook, typeof calificaciones>>;
export type AttendanceDifferences = None<Differences<typeof attendance, typeof asistencia>>;
export type AttendanceBesideDifferences = None<Differences<typeof attendance_beside, typeof junto_a_la_lista>>;
export type ReceiptsDifferences = None<Differences<typeof receipts, typeof recibos>>;
export type CompatibilityDifferences = None<Differences<typeof compatibility, typeof navegador>>;
export type SignInDifferences = None<Differences<typeof sign_in, typeof entrada>>;
export type GradebookBesideDifferences = None<Differences<typeof gradebook_beside, typeof junto_a_las_notas>>;
export type RefusalsDifferences = None<Differences<typeof refusals, typeof rechazos>>;
export type TroubleDifferences = None<Differences<typeof trouble, typeof problemas>>;
export type UnavailableDifferences = None<Differences<typeof unavailable, typeof no_disponible>>;
