-- Where these clients stand in these sections.
SELECT p.section_id, p.user_id, p.client_id, p.recorded_seq, p.ahead
FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::uuid[]) AS wanted (section_id, user_id, client_id)
JOIN client_position AS p USING (section_id, user_id, client_id);
