-- From the moment that an edit was typed until PostgreSQL recorded it, in milliseconds, over the edits of the ledgers.
WITH first_typed AS (
  SELECT section_id, edit_id, min(t) AS t FROM audit_typed GROUP BY section_id, edit_id
), age AS (
  SELECT greatest(0, extract(epoch FROM s.recorded_at) * 1000 - f.t / 1000.0)::float8 AS ms
  FROM first_typed AS f JOIN audit_stored AS s USING (section_id, edit_id)
)
SELECT count(*) AS edits, max(ms) AS max, percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY ms) AS percentiles
FROM age
