-- migrate:up
SET LOCAL lock_timeout = '4s';
SET LOCAL statement_timeout = '60s';

-- What `inkfast maintenance` announced last, for teachers to read: one row. The journal has a copy, for when this
-- database is away; what was said later counts.
CREATE TABLE maintenance_notice (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  until_at timestamptz NOT NULL,        -- in the past: nothing is announced
  reason text NOT NULL,
  time_zone text NOT NULL,              -- in which the end is said
  changed_at timestamptz NOT NULL
);

-- migrate:down
