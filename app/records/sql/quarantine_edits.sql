-- Keep edits that the history cannot hold, or that only the office may decide, with the bytes as they came.
INSERT INTO edit_quarantine (
  section_id, edit_id, user_id, client_id, client_seq, code, sqlstate, message, raw, partition_id, stream_id
)
SELECT *
FROM unnest(
  $1::bigint[], $2::uuid[], $3::bigint[], $4::uuid[], $5::int[], $6::text[], $7::text[], $8::text[], $9::bytea[],
  $10::smallint[], $11::text[]
) AS q (section_id, edit_id, user_id, client_id, client_seq, code, sqlstate, message, raw, partition_id, stream_id);
