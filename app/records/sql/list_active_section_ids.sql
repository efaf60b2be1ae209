-- Every section that a user teaches today, by each school's own calendar day.
SELECT DISTINCT e.section_id
FROM enrollment e JOIN section s USING (section_id) JOIN org o USING (org_id)
WHERE e.user_id = $1 AND e.role = 'teacher' AND e.hidden_at IS NULL AND s.hidden_at IS NULL
  AND (clock_timestamp() AT TIME ZONE o.time_zone)::date
    BETWEEN coalesce(e.begin_date, '-infinity') AND coalesce(e.end_date, 'infinity')
ORDER BY 1
