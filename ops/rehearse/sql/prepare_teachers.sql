-- Teachers numbered $1 to $2, all with the password hash $3, which replaces an earlier one.
WITH made AS (
  INSERT INTO user_account (sourced_id, username, given_name, family_name, password_hash)
  SELECT 'rehearsal-t-' || n, 'rehearsal-' || n, 'Teacher', 'Rehearsal ' || n, $3::text
  FROM generate_series($1::int, $2::int) AS n
  ON CONFLICT (sourced_id) DO UPDATE
  SET password_hash = EXCLUDED.password_hash, is_enabled = true, hidden_at = NULL
  RETURNING user_id, substr(sourced_id, 13)::int AS number
), roles AS (
  INSERT INTO user_role (user_id, org_id, role) SELECT user_id, $4::bigint, 'teacher' FROM made
  ON CONFLICT (user_id, org_id, role) DO NOTHING
)
SELECT number, user_id FROM made ORDER BY number
