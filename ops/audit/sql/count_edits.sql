-- The figures of the report.
SELECT count(*) AS typed, count(first_sent_at) AS sent, count(acked_at) AS acknowledged,
       count(e.recorded_at) AS told_recorded, count(*) FILTER (WHERE sends > 1) AS sent_again,
       count(*) FILTER (WHERE first_sent_at IS NOT NULL AND acked_at IS NULL) AS unknown,
       count(*) FILTER (WHERE first_sent_at IS NOT NULL AND acked_at IS NULL AND s.edit_id IS NOT NULL) AS unknown_stored,
       count(*) FILTER (WHERE s.status = 'A') AS applied, count(*) FILTER (WHERE s.status = 'C') AS open_conflicts,
       count(*) FILTER (WHERE s.status = 'S') AS settled_conflicts, count(*) FILTER (WHERE s.status = 'R') AS rejected,
       count(*) FILTER (WHERE s.status = 'Q') AS quarantined,
       count(*) FILTER (WHERE s.edit_id IS NULL AND j.edit_id IS NOT NULL) AS held
FROM audit_edit AS e
LEFT JOIN (SELECT edit_id, section_id, min(status) AS status FROM audit_stored GROUP BY edit_id, section_id) AS s
  USING (section_id, edit_id)
LEFT JOIN (SELECT DISTINCT edit_id, section_id FROM audit_journal_edit) AS j USING (section_id, edit_id)
