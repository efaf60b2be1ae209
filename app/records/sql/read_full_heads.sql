-- The heads of some cells with their values: what a client is shown where its edit was refused.
SELECT c.section_id, c.kind, c.item, c.student_id, c.cell_version, c.edit_id, c.author_id,
       (extract(epoch FROM c.entered_at) * 1000)::bigint AS entered_ms, c.value::text AS value
FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[]) AS wanted (section_id, kind, item, student_id)
JOIN cell AS c USING (section_id, kind, item, student_id);
