-- I8: a snapshot that was asked for after one's own edit was recorded shows that edit, or a later one.
-- (What is only drafted the client lays over the snapshot from its own outbox.)
WITH own AS (
  SELECT r.read_id, e.section_id, e.kind, e.item, e.student_id, max(s.cell_version) AS cell_version,
         (array_agg(e.edit_id ORDER BY s.cell_version DESC))[1] AS edit_id
  FROM (SELECT DISTINCT read_id, section_id, user_id, asked_at FROM audit_shown) AS r
  JOIN audit_edit AS e ON e.section_id = r.section_id AND e.user_id = r.user_id AND e.recorded_at < r.asked_at
  JOIN audit_stored AS s ON s.section_id = e.section_id AND s.edit_id = e.edit_id AND s.status = 'A'
  GROUP BY r.read_id, e.section_id, e.kind, e.item, e.student_id
)
SELECT own.section_id, own.edit_id,
       CASE WHEN shown.edit_id IS NULL THEN 'recorded, and a later snapshot showed the cell empty'
            ELSE 'recorded as version ' || own.cell_version || ', and a later snapshot showed version ' || s.cell_version
       END AS detail
FROM own
LEFT JOIN audit_shown AS shown
  ON shown.read_id = own.read_id AND shown.kind = own.kind AND shown.item = own.item AND shown.student_id = own.student_id
LEFT JOIN audit_stored AS s ON s.section_id = own.section_id AND s.edit_id = shown.edit_id AND s.status = 'A'
WHERE shown.edit_id IS NULL OR s.cell_version < own.cell_version
