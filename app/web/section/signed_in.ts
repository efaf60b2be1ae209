/**
 * What the pages of somebody who is signed in have, in one file for the same reason as in `always.ts`. The list of sections and the
 * receipts load with it what only a section needs: that is where the next click leads.
 */
import "../style/menu.tsx";
import "./leaving.ts";
import "./outbox.ts";
import "./section_page.tsx";
