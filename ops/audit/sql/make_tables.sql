-- What the audit compares, as temporary tables of its connection: the ledger (docs/ledger.md) and the journal as it was read.
CREATE TEMP TABLE audit_typed (
  section_id bigint NOT NULL, client_id uuid NOT NULL, user_id bigint NOT NULL, seq int NOT NULL, edit_id uuid NOT NULL,
  t bigint NOT NULL, kind smallint NOT NULL, item bigint NOT NULL, student_id bigint NOT NULL, base_id uuid,
  value jsonb NOT NULL, resolves uuid[], entered_ms bigint NOT NULL
);
CREATE TEMP TABLE audit_sent (
  section_id bigint NOT NULL, client_id uuid NOT NULL, first_seq int NOT NULL, last_seq int NOT NULL, t bigint NOT NULL
);
CREATE TEMP TABLE audit_outcome (
  section_id bigint NOT NULL, client_id uuid NOT NULL, edit_id uuid NOT NULL, t bigint NOT NULL, outcome text NOT NULL,
  code text, is_exception boolean NOT NULL
);
CREATE TEMP TABLE audit_answer (
  section_id bigint NOT NULL, client_id uuid NOT NULL, t bigint NOT NULL, drafted_seq int NOT NULL,
  recorded_seq int NOT NULL
);
CREATE TEMP TABLE audit_shown (
  read_id int NOT NULL, section_id bigint NOT NULL, user_id bigint NOT NULL, client_id uuid NOT NULL,
  asked_at bigint NOT NULL, t bigint NOT NULL, kind smallint, item bigint, student_id bigint, edit_id uuid, state text
);
-- The journal: un-recorded edits in stream order, and what the section hashes say.
CREATE TEMP TABLE audit_journal_edit (
  partition_id smallint NOT NULL, stream_id text NOT NULL, section_id bigint NOT NULL, edit_id uuid NOT NULL,
  user_id bigint NOT NULL, client_id uuid NOT NULL, client_seq int NOT NULL, kind smallint NOT NULL, item bigint NOT NULL,
  student_id bigint NOT NULL, value text NOT NULL
);
CREATE TEMP TABLE audit_journal_mark (section_id bigint NOT NULL, edit_id uuid NOT NULL);
CREATE TEMP TABLE audit_journal_head (
  section_id bigint NOT NULL, kind smallint NOT NULL, item bigint NOT NULL, student_id bigint NOT NULL,
  edit_id uuid NOT NULL, cell_version int NOT NULL, is_drafted boolean NOT NULL
);
CREATE TEMP TABLE audit_journal_client (
  section_id bigint NOT NULL, user_id bigint NOT NULL, client_id uuid NOT NULL, drafted_seq int NOT NULL,
  recorded_seq int NOT NULL
);
-- What breaks an invariant: the edit, or, where none can be named, only that there is something.
CREATE TEMP TABLE audit_broken (category text NOT NULL, section_id bigint, edit_id uuid);
