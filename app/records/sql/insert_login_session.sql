INSERT INTO login_session (login_session_id, user_id, token_digest, expires_at, user_agent)
VALUES ($1, $2, $3, clock_timestamp() + make_interval(days => $4), left($5, 300))
RETURNING expires_at
