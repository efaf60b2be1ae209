-- The sections that a user teaches today, by each school's own calendar day, in the order of a teacher's day.
WITH mine AS MATERIALIZED (
  SELECT DISTINCT e.section_id
  FROM enrollment AS e
  JOIN section AS s USING (section_id)
  JOIN org AS o USING (org_id)
  WHERE e.user_id = $1::bigint AND e.role = 'teacher' AND e.hidden_at IS NULL AND s.hidden_at IS NULL
    AND (clock_timestamp() AT TIME ZONE o.time_zone)::date
      BETWEEN coalesce(e.begin_date, '-infinity') AND coalesce(e.end_date, 'infinity')
)
SELECT s.section_id, s.title, c.title AS course_title, s.class_code, s.periods, o.name AS org_name, s.school_year,
       (SELECT count(DISTINCT e.user_id)::int FROM enrollment AS e
        WHERE e.section_id = mine.section_id AND e.role = 'student' AND e.hidden_at IS NULL) AS students
FROM mine
JOIN section AS s USING (section_id)
JOIN course AS c USING (course_id)
JOIN org AS o ON o.org_id = s.org_id
ORDER BY s.periods NULLS LAST, s.title, s.section_id;
