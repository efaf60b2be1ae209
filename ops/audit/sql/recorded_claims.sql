-- I9: a client was told "recorded", and PostgreSQL does not have it.
SELECT e.section_id, e.edit_id, 'told "recorded", and not in PostgreSQL' AS detail
FROM audit_edit AS e
WHERE e.recorded_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM audit_stored AS s WHERE s.edit_id = e.edit_id AND s.section_id = e.section_id)
