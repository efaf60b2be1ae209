-- How a login session stands, to tell why a token was not its current one. $2: hours without use that end it.
SELECT
  user_id, token_digest, previous_token_digest, expires_at,
  ended_at IS NULL AND expires_at > clock_timestamp()
    AND used_at > clock_timestamp() - make_interval(hours => $2) AS is_live,
  extract(epoch FROM clock_timestamp() - rotated_at)::float8 AS rotated_ago_s
FROM login_session
WHERE login_session_id = $1
