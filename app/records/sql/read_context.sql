-- What the journal needs to judge edits of some columns of a section, for one client, in one question and of one moment.
-- $1 section, $2 user, $3 client, $4 last exception that it has seen, $5 and $6 columns, $7 edits, $8 how many links.
-- Edits are followed through what they were typed on as in find_edits_with_bases.sql. `OFFSET 0` keeps each look a look
-- into an index: joined, a planner that takes the history for short reads all of the section's.
SELECT s.school_year, p.recorded_seq,
       EXISTS (
         SELECT FROM edit_exception AS x
         WHERE x.section_id = $1::bigint AND x.user_id = $2::bigint AND x.client_id = $3::uuid
           AND x.client_seq > $4::bigint
       ) AS has_exceptions,
       heads.*, recorded.*, found.*
FROM section AS s
LEFT JOIN client_position AS p ON p.section_id = $1::bigint AND p.user_id = $2::bigint AND p.client_id = $3::uuid
CROSS JOIN LATERAL (
  SELECT array_agg(c.kind) AS kinds, array_agg(c.item) AS items, array_agg(c.student_id) AS students,
         array_agg(c.cell_version) AS versions, array_agg(uuid_send(c.edit_id)) AS edit_ids,
         array_agg(c.author_id) AS authors, array_agg((extract(epoch FROM c.entered_at) * 1000)::bigint) AS moments,
         array_agg(c.value::text) AS cell_values
  FROM unnest($5::smallint[], $6::bigint[]) AS wanted (kind, item)
  CROSS JOIN LATERAL (
    SELECT * FROM cell WHERE section_id = $1::bigint AND kind = wanted.kind AND item = wanted.item OFFSET 0
  ) AS c
) AS heads
CROSS JOIN LATERAL (
  SELECT array_agg(held.kind) AS recorded_kinds, array_agg(held.item) AS recorded_items
  FROM (SELECT DISTINCT cell.kind, cell.item FROM cell WHERE cell.section_id = $1::bigint) AS held
) AS recorded
CROSS JOIN LATERAL (
  WITH RECURSIVE link (edit_id) AS (
    SELECT * FROM unnest($7::uuid[])
    UNION
    SELECT before.base_id
    FROM link
    CROSS JOIN LATERAL (
      SELECT e.base_id
      FROM edit_log AS e
      WHERE e.school_year = s.school_year AND e.section_id = $1::bigint AND e.edit_id = link.edit_id
        AND e.status <> 'A'
      UNION ALL
      SELECT encode(substring(q.raw FROM 36 FOR 16), 'hex')::uuid
      FROM edit_quarantine AS q
      WHERE q.section_id = $1::bigint AND q.edit_id = link.edit_id AND length(q.raw) >= 51
    ) AS before
    WHERE before.base_id IS NOT NULL
  ), wanted AS MATERIALIZED (
    SELECT * FROM link LIMIT $8::int
  ), ended AS (
    SELECT e.edit_id, e.status::text AS status, e.author_id, e.base_id, e.cell_version, e.code,
           e.params::text AS params
    FROM wanted
    CROSS JOIN LATERAL (
      SELECT * FROM edit_log
      WHERE school_year = s.school_year AND section_id = $1::bigint AND edit_id = wanted.edit_id OFFSET 0
    ) AS e
    UNION ALL
    SELECT q.edit_id, 'Q', q.user_id,
           nullif(encode(substring(q.raw FROM 36 FOR 16), 'hex')::uuid, '00000000-0000-0000-0000-000000000000'),
           NULL, q.code, NULL
    FROM wanted
    CROSS JOIN LATERAL (
      SELECT * FROM edit_quarantine WHERE section_id = $1::bigint AND edit_id = wanted.edit_id OFFSET 0
    ) AS q
    WHERE length(q.raw) >= 51
  )
  SELECT array_agg(uuid_send(edit_id)) AS found_ids, array_agg(status) AS found_statuses,
         array_agg(author_id) AS found_authors, array_agg(uuid_send(base_id)) AS found_bases,
         array_agg(cell_version) AS found_versions, array_agg(code) AS found_codes, array_agg(params) AS found_params
  FROM ended
) AS found
WHERE s.section_id = $1::bigint;
