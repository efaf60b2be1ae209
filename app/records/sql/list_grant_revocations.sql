-- What was revoked since a moment and is not forgotten yet.
SELECT subject, revoked_at, forget_at
FROM grant_revocation
WHERE revoked_at >= $1 AND forget_at > clock_timestamp()
