-- I6: a client's position has a hole: later edits are settled, and one before them is not.
SELECT count(*) OVER () AS total, p.section_id, NULL::uuid AS edit_id,
       'client ' || p.client_id || ' of user ' || p.user_id || ': number ' || (p.recorded_seq + 1) || ' is missing, '
         || p.ahead[1] || ' is recorded' AS detail
FROM client_position AS p
WHERE cardinality(p.ahead) > 0
LIMIT 10
