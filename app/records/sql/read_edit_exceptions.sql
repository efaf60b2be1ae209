-- The exceptions of one client, oldest first.
SELECT client_seq, edit_id, outcome, code, params::text AS params, head::text AS head
FROM edit_exception
WHERE section_id = $1::bigint AND user_id = $2::bigint AND client_id = $3::uuid
ORDER BY client_seq, recorded_at;
