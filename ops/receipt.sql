-- What became of the edits $4 to $5 that client $3 of user $2 numbered in section $1.
SELECT e.client_seq, e.edit_id, e.kind, e.item, e.student_id, e.value::text AS value, e.status::text AS status, e.code,
       e.recorded_at, x.edit_id IS NOT NULL AS was_drafted_first
FROM section AS s
JOIN edit_log AS e ON e.school_year = s.school_year AND e.section_id = s.section_id
LEFT JOIN edit_exception AS x
  ON x.section_id = e.section_id AND x.user_id = e.author_id AND x.client_id = e.client_id AND x.edit_id = e.edit_id
WHERE s.section_id = $1::bigint AND e.author_id = $2::bigint AND e.client_id = $3::uuid
  AND e.client_seq BETWEEN $4::int AND $5::int
UNION ALL
SELECT q.client_seq, q.edit_id, NULL, NULL, NULL, NULL, 'Q', q.code, q.recorded_at, true
FROM edit_quarantine AS q
WHERE q.section_id = $1::bigint AND q.user_id = $2::bigint AND q.client_id = $3::uuid
  AND q.client_seq BETWEEN $4::int AND $5::int
ORDER BY client_seq
