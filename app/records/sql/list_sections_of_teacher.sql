-- The sections that a user teaches today (by the calendar of each school).
SELECT s.section_id, s.title, c.title AS course_title, s.class_code, s.periods, o.name AS org_name, s.school_year,
       (SELECT count(DISTINCT e2.user_id)::int FROM enrollment AS e2
        WHERE e2.section_id = s.section_id AND e2.role = 'student' AND e2.hidden_at IS NULL) AS students
FROM section AS s
JOIN course AS c USING (course_id)
JOIN org AS o ON o.org_id = s.org_id
WHERE s.section_id = ANY ($1::bigint[]) AND s.hidden_at IS NULL
ORDER BY s.periods NULLS LAST, s.title, s.section_id;
