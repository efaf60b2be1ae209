-- Tables of the handler that writes each save to PostgreSQL itself: the same columns as cell and edit_log, keys only.
-- Two handlers begin at once, and IF NOT EXISTS does not wait for whoever is about to make the same table.
SELECT pg_advisory_xact_lock(hashtext('direct_cell'));

CREATE TABLE IF NOT EXISTS direct_cell (
  section_id bigint NOT NULL,
  kind smallint NOT NULL,
  item bigint NOT NULL,
  student_id bigint NOT NULL,
  cell_version int NOT NULL,
  edit_id uuid NOT NULL,
  value jsonb,
  author_id bigint NOT NULL,
  entered_at timestamptz NOT NULL,
  PRIMARY KEY (section_id, kind, item, student_id)
) WITH (fillfactor = 70);

CREATE TABLE IF NOT EXISTS direct_history (
  section_id bigint NOT NULL,
  edit_id uuid NOT NULL,
  kind smallint NOT NULL,
  item bigint NOT NULL,
  student_id bigint NOT NULL,
  base_id uuid,
  value jsonb,
  author_id bigint NOT NULL,
  client_id uuid NOT NULL,
  client_seq int NOT NULL,
  entered_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (section_id, edit_id)
);
