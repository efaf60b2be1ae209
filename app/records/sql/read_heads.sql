-- The heads of the cells of a batch.
SELECT c.section_id, c.kind, c.item, c.student_id, c.cell_version, c.edit_id
FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[]) AS wanted (section_id, kind, item, student_id)
JOIN cell AS c USING (section_id, kind, item, student_id);
