-- I10: marked as un-recorded, and in no stream: it would be called drafted for ever.
SELECT m.section_id, m.edit_id, 'marked as drafted, and not in the journal' AS detail
FROM audit_journal_mark AS m
WHERE NOT EXISTS (SELECT 1 FROM audit_journal_edit AS j WHERE j.section_id = m.section_id AND j.edit_id = m.edit_id)
