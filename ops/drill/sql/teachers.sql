-- Teachers of the drill's own district, each with the sections that they teach.
SELECT e.user_id, array_agg(DISTINCT e.section_id ORDER BY e.section_id) AS section_ids
FROM enrollment AS e
JOIN section AS s USING (section_id)
WHERE e.role = 'teacher' AND e.hidden_at IS NULL AND s.hidden_at IS NULL
  AND EXISTS (SELECT 1 FROM line_item AS l WHERE l.section_id = e.section_id)
GROUP BY e.user_id
ORDER BY e.user_id
LIMIT $1::int
