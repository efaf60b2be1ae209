-- Seconds until the next try. $2: how many seconds of debt are allowed.
SELECT extract(epoch FROM free_at - clock_timestamp())::float8 - $2::float8 AS wait_s
FROM sign_in_allowance
WHERE subject_digest = $1
