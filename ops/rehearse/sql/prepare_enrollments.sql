-- Of new sections ($1, each with its teacher's user in $2): the teacher, and 24 to 36 students.
INSERT INTO enrollment (section_id, sourced_id, user_id, role, is_primary)
SELECT s.section_id, 'rehearsal-e-' || s.section_id || '-t', s.user_id, 'teacher', true
FROM unnest($1::bigint[], $2::bigint[]) AS s (section_id, user_id)
UNION ALL
SELECT s.section_id, 'rehearsal-e-' || s.section_id || '-' || n, p.user_id, 'student', false
FROM unnest($1::bigint[]) AS s (section_id)
CROSS JOIN LATERAL generate_series(0, 23 + (s.section_id * 5 % 13)::int) AS n
JOIN unnest($3::bigint[]) WITH ORDINALITY AS p (user_id, place)
  ON p.place = 1 + (s.section_id * 31 + n) % cardinality($3::bigint[])
