-- I6: a client's position covers an edit of the ledger that PostgreSQL does not have.
SELECT y.section_id, y.edit_id,
       'the position of its client (' || p.recorded_seq || ') covers number ' || y.seq || ', which is not stored' AS detail
FROM audit_typed AS y
JOIN client_position AS p USING (section_id, user_id, client_id)
WHERE y.seq <= p.recorded_seq
  AND NOT EXISTS (SELECT 1 FROM audit_stored AS s WHERE s.edit_id = y.edit_id AND s.section_id = y.section_id)
