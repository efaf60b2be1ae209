-- migrate:up
SET LOCAL lock_timeout = '4s';
SET LOCAL statement_timeout = '60s';

-- Wrong passwords are slowed down per user name, never per address (a whole school shares one), and the same for names
-- that do not exist. A device that has signed this user in before has a row of its own, so that nobody can lock a teacher
-- out by guessing. `free_at` is when the debt of failures will be paid (GCRA): one number, exact over all API processes.
CREATE TABLE sign_in_allowance (
  subject_digest bytea PRIMARY KEY,     -- SHA-256 of the user name in lower case, or of user and device
  free_at timestamptz NOT NULL
);

-- What was revoked since the last look is read every few seconds by each API process.
-- Nobody runs this release yet: the table is empty.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX grant_revocation_revoked_at ON grant_revocation (revoked_at);

-- migrate:down
