UPDATE login_session
SET ended_at = clock_timestamp()
WHERE login_session_id = $1 AND ended_at IS NULL
