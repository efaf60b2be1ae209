DELETE FROM grant_revocation
WHERE forget_at < clock_timestamp()
