-- I2: stored otherwise than it was typed. An applied edit may be linked to another base than was sent where that base is
-- an own edit that never applied, or is unknown here (a restored database).
SELECT e.section_id, e.edit_id,
       'stored with another ' || concat_ws(', ',
         CASE WHEN (s.kind, s.item, s.student_id) IS DISTINCT FROM (e.kind, e.item, e.student_id) THEN 'cell' END,
         CASE WHEN s.value IS DISTINCT FROM e.value THEN 'value' END,
         CASE WHEN s.user_id <> e.user_id THEN 'author' END,
         CASE WHEN s.entered_ms IS DISTINCT FROM e.entered_ms THEN 'time of entry' END,
         CASE WHEN coalesce(s.resolves, '{}') <> coalesce(e.resolves, '{}') THEN 'list of resolved conflicts' END,
         CASE WHEN n.edit_id IS NULL THEN 'number' END,
         CASE WHEN wrong_base THEN 'base' END) AS detail
FROM audit_edit AS e
JOIN audit_stored AS s USING (section_id, edit_id)
LEFT JOIN audit_typed AS n
  ON n.section_id = s.section_id AND n.client_id = s.client_id AND n.seq = s.client_seq AND n.edit_id = s.edit_id
LEFT JOIN LATERAL (
  SELECT b.status, b.user_id FROM audit_stored AS b
  WHERE b.section_id = e.section_id AND b.edit_id = e.base_id AND s.base_id IS DISTINCT FROM e.base_id
  LIMIT 1
) AS b ON true
CROSS JOIN LATERAL (
  SELECT s.base_id IS DISTINCT FROM e.base_id
    AND (s.status <> 'A' OR e.base_id IS NULL OR b.status = 'A' OR b.user_id <> e.user_id) AS wrong_base
) AS judged
WHERE s.status <> 'Q'
  AND ((s.kind, s.item, s.student_id) IS DISTINCT FROM (e.kind, e.item, e.student_id) OR s.value IS DISTINCT FROM e.value
    OR s.user_id <> e.user_id OR s.entered_ms IS DISTINCT FROM e.entered_ms
    OR coalesce(s.resolves, '{}') <> coalesce(e.resolves, '{}') OR n.edit_id IS NULL OR wrong_base)
