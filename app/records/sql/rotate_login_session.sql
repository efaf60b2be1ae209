-- Exchange the token of a live login session for the next one, at most once in $5 seconds: so the token before it is
-- honoured that long, whatever number of tabs renew at once. No row: not live, not its token, or exchanged just now.
UPDATE login_session
SET previous_token_digest = token_digest, token_digest = $3, rotated_at = clock_timestamp(), used_at = clock_timestamp()
WHERE login_session_id = $1 AND token_digest = $2
  AND ended_at IS NULL AND expires_at > clock_timestamp()
  AND used_at > clock_timestamp() - make_interval(hours => $4)
  AND rotated_at <= clock_timestamp() - make_interval(secs => $5)
RETURNING user_id, expires_at
