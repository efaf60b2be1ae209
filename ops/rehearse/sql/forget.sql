-- The rehearsal is over: its accounts cannot sign on, its sections are hidden. What was typed stays in the history.
WITH sections AS (
  UPDATE section SET hidden_at = clock_timestamp() WHERE sourced_id LIKE 'rehearsal-s-%' AND hidden_at IS NULL
  RETURNING section_id
), accounts AS (
  UPDATE user_account SET is_enabled = false, password_hash = NULL
  WHERE sourced_id LIKE 'rehearsal-t-%' AND is_enabled
  RETURNING user_id
)
SELECT (SELECT count(*) FROM sections) AS sections, (SELECT count(*) FROM accounts) AS accounts
