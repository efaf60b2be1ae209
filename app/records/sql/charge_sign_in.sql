-- Take one try off the allowance before the password is looked at (GCRA), so that a hundred guesses at once are a hundred
-- tries. $2: seconds that a try costs; $3: how many seconds of debt are allowed. No row: not allowed.
INSERT INTO sign_in_allowance AS a (subject_digest, free_at)
VALUES ($1, clock_timestamp() + make_interval(secs => $2))
ON CONFLICT (subject_digest) DO UPDATE
SET free_at = greatest(a.free_at, clock_timestamp()) + make_interval(secs => $2)
WHERE a.free_at <= clock_timestamp() + make_interval(secs => $3)
RETURNING free_at
