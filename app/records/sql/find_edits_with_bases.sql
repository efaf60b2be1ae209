-- What became of these edits, and of the edits that they were typed on as far as those never applied, wherever they ended.
-- Breadth first, so that the limit leaves each of them its nearest links. Quarantine as in find_edits.sql.
WITH RECURSIVE link (school_year, section_id, edit_id) AS (
  SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::uuid[])
  UNION
  SELECT link.school_year, link.section_id, before.base_id
  FROM link
  CROSS JOIN LATERAL (
    SELECT e.base_id
    FROM edit_log AS e
    WHERE e.school_year = link.school_year AND e.section_id = link.section_id AND e.edit_id = link.edit_id
      AND e.status <> 'A'
    UNION ALL
    SELECT encode(substring(q.raw FROM 36 FOR 16), 'hex')::uuid
    FROM edit_quarantine AS q
    WHERE q.section_id = link.section_id AND q.edit_id = link.edit_id AND length(q.raw) >= 51
  ) AS before
  WHERE before.base_id IS NOT NULL
), wanted AS MATERIALIZED (
  SELECT * FROM link LIMIT $4::int
)
SELECT e.section_id, e.edit_id, e.status::text AS status, e.author_id, e.base_id, e.cell_version, e.code,
       e.params::text AS params
FROM wanted JOIN edit_log AS e USING (school_year, section_id, edit_id)
UNION ALL
SELECT q.section_id, q.edit_id, 'Q', q.user_id,
       nullif(encode(substring(q.raw FROM 36 FOR 16), 'hex')::uuid, '00000000-0000-0000-0000-000000000000'), NULL, q.code, NULL
FROM wanted JOIN edit_quarantine AS q USING (section_id, edit_id)
WHERE length(q.raw) >= 51;
