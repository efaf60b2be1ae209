-- migrate:up
SET LOCAL lock_timeout = '4s';
SET LOCAL statement_timeout = '60s';

-- Login sessions. Only SHA-256 digests of the cookie values are stored; the previous value is honoured for a short grace
-- (two tabs may renew at once), and its use after that ends the session (somebody else has it).
CREATE TABLE login_session (
  login_session_id uuid PRIMARY KEY,
  user_id bigint NOT NULL REFERENCES user_account,
  token_digest bytea NOT NULL,
  previous_token_digest bytea,
  rotated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz NOT NULL,
  ended_at timestamptz,
  user_agent text
);
CREATE UNIQUE INDEX login_session_token ON login_session (token_digest);
CREATE UNIQUE INDEX login_session_previous_token ON login_session (previous_token_digest)
  WHERE previous_token_digest IS NOT NULL;
CREATE INDEX login_session_user ON login_session (user_id) WHERE ended_at IS NULL;

-- Revoked grants: by grant, by login session, or all of a user's grants issued before a moment.
CREATE TABLE grant_revocation (
  subject text PRIMARY KEY,             -- 'grant:<id>', 'login:<id>' or 'user:<id>'
  revoked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  forget_at timestamptz NOT NULL        -- after this no grant of the subject can still be honoured
);

-- migrate:down
