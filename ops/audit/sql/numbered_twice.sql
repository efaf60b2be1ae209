-- I6: one number of a client used for two edits.
SELECT section_id, min(edit_id::text)::uuid AS edit_id,
       'number ' || client_seq || ' of client ' || client_id || ' is stored ' || count(*) || ' times' AS detail
FROM edit_log
WHERE path <> 'i'
GROUP BY section_id, author_id, client_id, client_seq
HAVING count(*) > 1
