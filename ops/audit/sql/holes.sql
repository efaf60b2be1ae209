-- I6: a client's position has a hole: later edits are settled, and one before them is not. A ledger names it.
SELECT p.section_id, y.edit_id,
       'client ' || p.client_id || ' of user ' || p.user_id || ': number ' || (p.recorded_seq + 1) || ' is missing, '
         || p.ahead[1] || ' is recorded' AS detail
FROM client_position AS p
LEFT JOIN audit_typed AS y
  ON y.section_id = p.section_id AND y.user_id = p.user_id AND y.client_id = p.client_id AND y.seq = p.recorded_seq + 1
WHERE cardinality(p.ahead) > 0
      -- What was parked under this number (written directly, while the journal was away), and came again from an outbox that
      -- had been opened anew, is settled under that one's number; nobody asks for this position any more.
      AND NOT EXISTS (
        SELECT FROM edit_log AS settled
        WHERE settled.section_id = p.section_id AND settled.author_id = p.user_id AND settled.client_id = p.client_id
              AND settled.client_seq = p.recorded_seq + 1 AND settled.status <> 'P'
              AND settled.path = 'd'
      )
