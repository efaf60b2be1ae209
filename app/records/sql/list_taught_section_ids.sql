-- Sections that somebody teaches today or will: what is worth keeping for when this database is away. In pages.
SELECT s.section_id
FROM section AS s
WHERE s.section_id > $1::bigint AND s.hidden_at IS NULL
  AND EXISTS (
    SELECT FROM enrollment AS e
    WHERE e.section_id = s.section_id AND e.role = 'teacher' AND e.hidden_at IS NULL
      AND current_date <= coalesce(e.end_date + 1, 'infinity')
  )
ORDER BY s.section_id
LIMIT $2::int;
