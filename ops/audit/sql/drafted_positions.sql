-- I10: a client is told that the journal holds edits of its own, and no stream holds one. A ledger names the first of them, of
-- those that are stored nowhere where there are any.
SELECT DISTINCT ON (k.section_id, k.user_id, k.client_id)
       k.section_id, k.user_id, k.client_id, k.drafted_seq, k.recorded_seq, y.edit_id
FROM audit_journal_client AS k
LEFT JOIN audit_typed AS y
  ON y.section_id = k.section_id AND y.user_id = k.user_id AND y.client_id = k.client_id
     AND y.seq > k.recorded_seq AND y.seq <= k.drafted_seq
LEFT JOIN audit_stored AS s ON s.section_id = y.section_id AND s.edit_id = y.edit_id
WHERE k.drafted_seq > k.recorded_seq
  AND NOT EXISTS (
    SELECT 1 FROM audit_journal_edit AS j
    WHERE j.section_id = k.section_id AND j.client_id = k.client_id AND j.user_id = k.user_id
  )
ORDER BY k.section_id, k.user_id, k.client_id, s.edit_id IS NOT NULL, y.seq
