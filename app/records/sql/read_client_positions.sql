-- Where these clients stand in these sections.
SELECT p.section_id, p.user_id, p.client_id, p.recorded_seq, p.ahead
FROM unnest($1::bigint[], $2::bigint[], $3::uuid[]) AS wanted (section_id, user_id, client_id)
JOIN client_position AS p USING (section_id, user_id, client_id);
