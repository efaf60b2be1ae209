-- I10: a client is told that the journal holds edits of its own, and no stream holds one.
SELECT k.section_id, k.user_id, k.client_id, k.drafted_seq, k.recorded_seq
FROM audit_journal_client AS k
WHERE k.drafted_seq > k.recorded_seq
  AND NOT EXISTS (
    SELECT 1 FROM audit_journal_edit AS j
    WHERE j.section_id = k.section_id AND j.client_id = k.client_id AND j.user_id = k.user_id
  )
