-- I5: acknowledged, not applied, and its author does not know: told "recorded" without a word, or nothing waits to tell.
SELECT e.section_id, e.edit_id,
       CASE s.status WHEN 'P' THEN 'parked' WHEN 'R' THEN 'rejected' WHEN 'Q' THEN 'quarantined' ELSE 'a conflict' END
         || ', and its author was not told' AS detail
FROM audit_edit AS e JOIN audit_stored AS s USING (section_id, edit_id)
WHERE e.acked_at IS NOT NULL AND s.status <> 'A' AND e.refused_at IS NULL
  AND (e.recorded_at IS NOT NULL
    OR NOT EXISTS (SELECT 1 FROM edit_exception AS x WHERE x.section_id = e.section_id AND x.edit_id = e.edit_id))
