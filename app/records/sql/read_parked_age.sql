-- How many edits wait for the one that they are based on, and since when the first of them does.
SELECT count(*) AS parked, extract(epoch FROM clock_timestamp() - min(recorded_at))::float8 AS oldest_s
FROM edit_log
WHERE status = 'P';
