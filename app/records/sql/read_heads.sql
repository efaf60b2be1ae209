-- The heads of the cells of a batch.
SELECT c.section_id, c.kind, c.item, c.student_id, c.cell_version, c.edit_id
FROM unnest($1::text::bigint[], $2::text::smallint[], $3::text::bigint[], $4::text::bigint[]) AS wanted (section_id, kind, item, student_id)
JOIN cell AS c USING (section_id, kind, item, student_id);
