/**
 * What the pages of somebody who is signed in have, in one file for the same reason as in `always.ts`: the list of
 * sections, and the receipts.
 */
import "../style/menu.tsx";
import "./leaving.ts";
import "./outbox.ts";
import "./status_line.tsx";
