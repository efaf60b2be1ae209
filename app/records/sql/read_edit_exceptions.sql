-- The exceptions of these clients, oldest first.
SELECT e.section_id, e.user_id, e.client_id, e.client_seq, e.edit_id, e.outcome, e.code, e.params::text AS params,
       e.head::text AS head
FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::uuid[]) AS wanted (section_id, user_id, client_id)
JOIN edit_exception AS e USING (section_id, user_id, client_id)
ORDER BY e.client_seq, e.recorded_at;
