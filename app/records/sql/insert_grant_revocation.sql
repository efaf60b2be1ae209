-- Revoke from this moment. $2: seconds after which no grant of the subject can still be honoured.
INSERT INTO grant_revocation (subject, revoked_at, forget_at)
VALUES ($1, clock_timestamp(), clock_timestamp() + make_interval(secs => $2))
ON CONFLICT (subject) DO UPDATE
SET revoked_at = excluded.revoked_at, forget_at = greatest(grant_revocation.forget_at, excluded.forget_at)
RETURNING revoked_at, forget_at
