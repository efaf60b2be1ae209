/**
 * What every page has from its first moment. The build adds this to each entry and to each part that is fetched later, so that all
 * of it is one file: cut to who uses what it would be a dozen small ones, which together are heavier and take longer to ask for.
 */
import "preact";
import "preact/jsx-runtime";
import "../words/words.ts";
import "../style/top.tsx";
import "./later.tsx";
import "./left_work.ts";
import "./outbox_status.ts";
import "./remembered.ts";
import "./session.ts";
import "./start_page.tsx";
import "./types.ts";
