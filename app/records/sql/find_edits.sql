-- What became of these edits, wherever they ended: in the history, or in quarantine.
-- Of a quarantined edit only the bytes are kept; its base is behind status, version, status, seq, cell and id (codec.py).
SELECT e.section_id, e.edit_id, e.status::text AS status, e.author_id, e.base_id, e.cell_version, e.code,
       e.params::text AS params
FROM unnest($1::smallint[], $2::bigint[], $3::uuid[]) AS wanted (school_year, section_id, edit_id)
JOIN edit_log AS e USING (school_year, section_id, edit_id)
UNION ALL
SELECT q.section_id, q.edit_id, 'Q', q.user_id,
       nullif(encode(substring(q.raw FROM 36 FOR 16), 'hex')::uuid, '00000000-0000-0000-0000-000000000000'), NULL, q.code, NULL
FROM unnest($2::bigint[], $3::uuid[]) AS wanted (section_id, edit_id)
JOIN edit_quarantine AS q USING (section_id, edit_id)
WHERE length(q.raw) >= 51;
