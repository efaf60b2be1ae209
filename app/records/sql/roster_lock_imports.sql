-- One import at a time. False: another one runs.
SELECT pg_try_advisory_lock(hashtext('inkfast roster import'))
