-- Edits that were answered "drafted" and ended otherwise.
INSERT INTO edit_exception (section_id, user_id, client_id, client_seq, edit_id, outcome, code, params, head)
SELECT section_id, user_id, client_id, client_seq, edit_id, outcome, code, params::jsonb, head::jsonb
FROM unnest(
  $1::bigint[], $2::bigint[], $3::uuid[], $4::int[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[]
) AS e (section_id, user_id, client_id, client_seq, edit_id, outcome, code, params, head)
ON CONFLICT DO NOTHING;
