-- I10: a cell shows as drafted what no stream holds.
SELECT h.section_id, h.edit_id, h.kind, h.item, h.student_id, 'shown as drafted, and not in the journal' AS detail
FROM audit_journal_head AS h
WHERE h.is_drafted
  AND NOT EXISTS (SELECT 1 FROM audit_journal_edit AS j WHERE j.section_id = h.section_id AND j.edit_id = h.edit_id)
