-- Move clients' positions, in the order of their keys. `ahead` arrives as an array literal: usually '{}'.
INSERT INTO client_position AS p (section_id, user_id, client_id, recorded_seq, ahead)
SELECT section_id, user_id, client_id, recorded_seq, ahead::int[]
FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::uuid[], $4::text::int[], $5::text::text[])
  AS moved (section_id, user_id, client_id, recorded_seq, ahead)
ORDER BY section_id, user_id, client_id
ON CONFLICT (section_id, user_id, client_id) DO UPDATE
SET recorded_seq = EXCLUDED.recorded_seq, ahead = EXCLUDED.ahead, updated_at = clock_timestamp();
