-- I10: the journal says of a client's edits that more are recorded than PostgreSQL says.
SELECT k.section_id, NULL::uuid AS edit_id,
       'client ' || k.client_id || ' of user ' || k.user_id || ': ' || k.recorded_seq || ' recorded says the journal, '
         || coalesce(p.recorded_seq, 0) || ' PostgreSQL' AS detail
FROM audit_journal_client AS k
LEFT JOIN client_position AS p USING (section_id, user_id, client_id)
WHERE k.recorded_seq > coalesce(p.recorded_seq, 0)
