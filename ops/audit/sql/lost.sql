-- I1: acknowledged, and neither in PostgreSQL nor in the journal.
SELECT e.section_id, e.edit_id,
       'acknowledged (' || coalesce(nullif(array_to_string(e.outcomes, ', '), ''), 'by drafted_seq') || '), stored nowhere' AS detail
FROM audit_edit AS e
WHERE e.acked_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM audit_stored AS s WHERE s.edit_id = e.edit_id AND s.section_id = e.section_id)
  AND NOT EXISTS (SELECT 1 FROM audit_journal_edit AS j WHERE j.edit_id = e.edit_id AND j.section_id = e.section_id)
ORDER BY e.acked_at
