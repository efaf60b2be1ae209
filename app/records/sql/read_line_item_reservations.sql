-- The ids of columns that this section may still make.
SELECT r.line_item_id
FROM line_item_reservation AS r
WHERE r.section_id = $1::bigint
  AND NOT EXISTS (
    SELECT 1 FROM line_item AS l WHERE l.section_id = r.section_id AND l.line_item_id = r.line_item_id
  )
ORDER BY r.line_item_id;
