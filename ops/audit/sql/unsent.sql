-- I2: stored under one of the ledger's clients, and never sent by it.
SELECT s.section_id, s.edit_id,
       CASE WHEN e.edit_id IS NULL THEN 'stored, and not in the ledger' ELSE 'stored, and never sent' END AS detail
FROM audit_stored AS s
JOIN (SELECT DISTINCT section_id, client_id FROM audit_typed) AS c USING (section_id, client_id)
LEFT JOIN audit_edit AS e USING (section_id, edit_id)
WHERE e.first_sent_at IS NULL
