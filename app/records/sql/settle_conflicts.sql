-- Conflicts that a person has decided, or replaced by typing on, are no longer open. Each is named together with the cell
-- that the person was looking at: the open conflict of another cell is nothing that they have seen.
UPDATE edit_log AS e
SET status = 'S'
FROM unnest($1::smallint[], $2::uuid[], $3::bigint[], $4::smallint[], $5::bigint[], $6::bigint[])
  AS settled (school_year, edit_id, section_id, kind, item, student_id)
WHERE e.school_year = settled.school_year AND e.section_id = settled.section_id AND e.edit_id = settled.edit_id
  AND e.kind = settled.kind AND e.item = settled.item AND e.student_id = settled.student_id AND e.status = 'C';
