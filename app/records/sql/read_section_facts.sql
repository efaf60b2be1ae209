-- What the rules and the screens need to know of a section.
SELECT s.section_id, s.title, s.school_year, s.class_code, s.periods, s.location, c.title AS course_title,
       o.org_id, o.name AS org_name, o.time_zone, s.hidden_at IS NOT NULL AS is_hidden
FROM section AS s
JOIN course AS c USING (course_id)
JOIN org AS o ON o.org_id = s.org_id
WHERE s.section_id = $1::bigint;
