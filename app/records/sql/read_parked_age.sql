-- How many edits wait for the one that they are based on, and since when the first of them does.
SELECT count(*) AS parked, extract(epoch FROM clock_timestamp() - min(e.recorded_at))::float8 AS oldest_s
FROM parked_edit AS p
JOIN edit_log AS e USING (school_year, section_id, edit_id);
