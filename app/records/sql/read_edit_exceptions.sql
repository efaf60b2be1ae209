-- The exceptions of these clients that they have not seen, the first ones of each, by number.
SELECT wanted.section_id, wanted.user_id, wanted.client_id, e.client_seq, e.edit_id, e.outcome, e.code,
       e.params::text AS params, e.head::text AS head
FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::uuid[], $4::text::bigint[])
     AS wanted (section_id, user_id, client_id, seen_seq)
CROSS JOIN LATERAL (
  SELECT x.client_seq, x.edit_id, x.outcome, x.code, x.params, x.head, x.recorded_at
  FROM edit_exception AS x
  WHERE x.section_id = wanted.section_id AND x.user_id = wanted.user_id AND x.client_id = wanted.client_id
        AND x.client_seq > wanted.seen_seq
  ORDER BY x.client_seq, x.recorded_at
  LIMIT $5
) AS e
ORDER BY e.client_seq, e.recorded_at;
