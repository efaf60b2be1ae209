-- Every recorded cell of a section, in the order of its key.
SELECT kind, item, student_id, cell_version, edit_id, author_id,
       (extract(epoch FROM entered_at) * 1000)::bigint AS entered_ms, value::text AS value
FROM cell
WHERE section_id = $1::bigint
ORDER BY kind, item, student_id;
