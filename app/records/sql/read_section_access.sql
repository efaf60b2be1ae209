-- Whether a user teaches a section now, and else when they last did. No row: they never did (or it has not begun).
-- Somebody whose part ended may still deliver what they typed before: it is kept, for the office.
SELECT bool_or(is_active) AS is_active, max(ended_at) FILTER (WHERE NOT is_active) AS ended_at
FROM (
  SELECT
    e.hidden_at IS NULL AND s.hidden_at IS NULL
      AND (clock_timestamp() AT TIME ZONE o.time_zone)::date <= coalesce(e.end_date, 'infinity') AS is_active,
    least(e.hidden_at, s.hidden_at, (e.end_date + 1)::timestamp AT TIME ZONE o.time_zone) AS ended_at,
    coalesce(e.begin_date::timestamp AT TIME ZONE o.time_zone, '-infinity') AS begun_at
  FROM enrollment e JOIN section s USING (section_id) JOIN org o USING (org_id)
  WHERE e.section_id = $2 AND e.user_id = $1 AND e.role = 'teacher'
) part
WHERE begun_at <= clock_timestamp() AND (is_active OR begun_at < ended_at)
HAVING count(*) > 0
