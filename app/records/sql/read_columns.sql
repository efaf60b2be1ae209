-- Every cell of some columns of a section: what the journal needs to judge edits of these columns by itself.
SELECT c.kind, c.item, c.student_id, c.cell_version, c.edit_id, c.author_id,
       (extract(epoch FROM c.entered_at) * 1000)::bigint AS entered_ms, c.value::text AS value
FROM unnest($2::smallint[], $3::bigint[]) AS wanted (kind, item)
JOIN cell AS c ON c.section_id = $1::bigint AND c.kind = wanted.kind AND c.item = wanted.item;
