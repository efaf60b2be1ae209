-- migrate:up
SET LOCAL lock_timeout = '4s';
SET LOCAL statement_timeout = '60s';

-- Where a roster package stands while it is checked, before anything of the roster is touched. Unlogged, not temporary:
-- no WAL either, but PostgreSQL reads them with parallel workers, and statements can be prepared against them in a test.
-- One import runs at a time (an advisory lock), empties them first and last, and a crash leaves nothing that is read again.
CREATE SCHEMA roster_stage;

-- The package's files, and whether each is the whole (bulk) or changes (delta).
CREATE UNLOGGED TABLE roster_stage.file (name text PRIMARY KEY, mode text NOT NULL CHECK (mode IN ('bulk', 'delta')));

-- In every table: the line of the file, and why the row is refused (it then stands here only so that the record it names is
-- not taken for one that has disappeared). A refused row may lack everything but its line.
CREATE UNLOGGED TABLE roster_stage.org (
  line int NOT NULL, sourced_id text, is_deleted boolean NOT NULL, modified_at timestamptz, refused text, reason text,
  name text, type text, identifier text, parent_sourced_id text
);
CREATE UNLOGGED TABLE roster_stage.academic_session (
  line int NOT NULL, sourced_id text, is_deleted boolean NOT NULL, modified_at timestamptz, refused text, reason text,
  title text, type text, start_date date, end_date date, parent_sourced_id text, school_year smallint
);
CREATE UNLOGGED TABLE roster_stage.course (
  line int NOT NULL, sourced_id text, is_deleted boolean NOT NULL, modified_at timestamptz, refused text, reason text,
  title text, course_code text, org_sourced_id text, school_year_sourced_id text
);
CREATE UNLOGGED TABLE roster_stage.section (
  line int NOT NULL, sourced_id text, is_deleted boolean NOT NULL, modified_at timestamptz, refused text, reason text,
  title text, course_sourced_id text, class_code text, location text, org_sourced_id text, term_sourced_ids text[], periods text
);
CREATE UNLOGGED TABLE roster_stage.user_account (
  line int NOT NULL, sourced_id text, is_deleted boolean NOT NULL, modified_at timestamptz, refused text, reason text,
  is_enabled boolean, username text, given_name text, family_name text, middle_name text, preferred_given_name text,
  preferred_family_name text, identifier text, email text, grades text, primary_org_sourced_id text,
  org_sourced_ids text[], role text    -- these two only in OneRoster 1.1
);
CREATE UNLOGGED TABLE roster_stage.user_role (
  line int NOT NULL, sourced_id text, is_deleted boolean NOT NULL, modified_at timestamptz, refused text, reason text,
  user_sourced_id text, is_primary boolean, role text, begin_date date, end_date date, org_sourced_id text
);
CREATE UNLOGGED TABLE roster_stage.enrollment (
  line int NOT NULL, sourced_id text, is_deleted boolean NOT NULL, modified_at timestamptz, refused text, reason text,
  section_sourced_id text, org_sourced_id text, user_sourced_id text, role text, is_primary boolean, begin_date date, end_date date
);
CREATE UNLOGGED TABLE roster_stage.category (
  line int NOT NULL, sourced_id text, is_deleted boolean NOT NULL, modified_at timestamptz, refused text, reason text,
  title text, weight text
);
CREATE UNLOGGED TABLE roster_stage.line_item (
  line int NOT NULL, sourced_id text, is_deleted boolean NOT NULL, modified_at timestamptz, refused text, reason text,
  title text, description text, assign_date date, due_date date, section_sourced_id text, category_sourced_id text,
  academic_session_sourced_id text, result_value_min text, result_value_max text
);
CREATE UNLOGGED TABLE roster_stage.result (
  line int NOT NULL, sourced_id text, is_deleted boolean NOT NULL, modified_at timestamptz, refused text, reason text,
  line_item_sourced_id text, student_sourced_id text, section_sourced_id text, score_date date,
  score text, score_value text, comment_value text   -- the last two as JSON, ready for a cell
);
-- Results are applied a stretch of lines at a time.
CREATE INDEX result_line ON roster_stage.result USING brin (line) WITH (pages_per_range = 32);

-- What a row may refer to: a record of the package that was not refused, or one that Inkfast has already. Where the file is
-- the whole (bulk), only what stands in it counts; a refused row of it still vouches for the record that Inkfast has.
CREATE VIEW roster_stage.known_org AS
  SELECT sourced_id FROM roster_stage.org WHERE refused IS NULL
  UNION ALL
  SELECT sourced_id FROM org
  WHERE NOT EXISTS (SELECT FROM roster_stage.file WHERE name = 'orgs' AND mode = 'bulk')
  UNION ALL
  SELECT sourced_id FROM org JOIN roster_stage.org AS staged USING (sourced_id) WHERE staged.refused IS NOT NULL;

CREATE VIEW roster_stage.known_academic_session AS
  SELECT sourced_id FROM roster_stage.academic_session WHERE refused IS NULL
  UNION ALL
  SELECT sourced_id FROM academic_session
  WHERE NOT EXISTS (SELECT FROM roster_stage.file WHERE name = 'academicSessions' AND mode = 'bulk')
  UNION ALL
  SELECT sourced_id FROM academic_session JOIN roster_stage.academic_session AS staged USING (sourced_id)
  WHERE staged.refused IS NOT NULL;

CREATE VIEW roster_stage.known_course AS
  SELECT sourced_id FROM roster_stage.course WHERE refused IS NULL
  UNION ALL
  SELECT sourced_id FROM course
  WHERE NOT EXISTS (SELECT FROM roster_stage.file WHERE name = 'courses' AND mode = 'bulk')
  UNION ALL
  SELECT sourced_id FROM course JOIN roster_stage.course AS staged USING (sourced_id) WHERE staged.refused IS NOT NULL;

CREATE VIEW roster_stage.known_section AS
  SELECT sourced_id FROM roster_stage.section WHERE refused IS NULL
  UNION ALL
  SELECT sourced_id FROM section
  WHERE NOT EXISTS (SELECT FROM roster_stage.file WHERE name = 'classes' AND mode = 'bulk')
  UNION ALL
  SELECT sourced_id FROM section JOIN roster_stage.section AS staged USING (sourced_id) WHERE staged.refused IS NOT NULL;

CREATE VIEW roster_stage.known_user AS
  SELECT sourced_id FROM roster_stage.user_account WHERE refused IS NULL
  UNION ALL
  SELECT sourced_id FROM user_account
  WHERE NOT EXISTS (SELECT FROM roster_stage.file WHERE name = 'users' AND mode = 'bulk')
  UNION ALL
  SELECT sourced_id FROM user_account JOIN roster_stage.user_account AS staged USING (sourced_id)
  WHERE staged.refused IS NOT NULL;

CREATE VIEW roster_stage.known_category AS
  SELECT sourced_id FROM roster_stage.category WHERE refused IS NULL
  UNION ALL
  SELECT sourced_id FROM category
  WHERE NOT EXISTS (SELECT FROM roster_stage.file WHERE name = 'categories' AND mode = 'bulk')
  UNION ALL
  SELECT sourced_id FROM category JOIN roster_stage.category AS staged USING (sourced_id) WHERE staged.refused IS NOT NULL;

CREATE VIEW roster_stage.known_line_item AS
  SELECT sourced_id FROM roster_stage.line_item WHERE refused IS NULL
  UNION ALL
  SELECT sourced_id FROM line_item
  WHERE NOT EXISTS (SELECT FROM roster_stage.file WHERE name = 'lineItems' AND mode = 'bulk')
  UNION ALL
  SELECT sourced_id FROM line_item JOIN roster_stage.line_item AS staged USING (sourced_id) WHERE staged.refused IS NOT NULL;

-- The id of an edit that an import makes: the same row over the same value gives the same edit, on every run and machine.
-- A UUID of version 8 (our own rule): the first 122 free bits of SHA-256, without an extension.
CREATE FUNCTION roster_edit_id(p_name text) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT encode(
    set_byte(
      set_byte(digest, 6, (get_byte(digest, 6) & 15) | 128),
      8, (get_byte(digest, 8) & 63) | 128
    ), 'hex')::uuid
  FROM (SELECT substr(sha256(convert_to(p_name, 'UTF8')), 1, 16)) AS hashed (digest)
$$;

-- migrate:down
