-- Every edit of a cell, newest first: who, what, when entered, received and recorded.
SELECT e.edit_id, e.base_id, e.status::text AS status, e.cell_version, e.code, e.params::text AS params,
       e.value::text AS value, e.author_id, coalesce(u.preferred_given_name, u.given_name) || ' ' ||
       coalesce(u.preferred_family_name, u.family_name) AS author_name, e.acting_as, e.client_id, e.client_seq,
       e.entered_at, e.clock_skew_ms, e.received_at, e.recorded_at, e.path::text AS path, e.resolves
FROM edit_log AS e
LEFT JOIN user_account AS u ON u.user_id = e.author_id
WHERE e.school_year = $1::smallint AND e.section_id = $2::bigint AND e.kind = $3::smallint AND e.item = $4::bigint
  AND e.student_id = $5::bigint
ORDER BY e.recorded_at DESC, e.cell_version DESC NULLS LAST
LIMIT $6::int;
