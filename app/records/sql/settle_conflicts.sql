-- Conflicts that a person has decided, or replaced by typing on, are no longer open.
UPDATE edit_log AS e
SET status = 'S'
FROM unnest($1::smallint[], $2::bigint[], $3::uuid[]) AS settled (school_year, section_id, edit_id)
WHERE e.school_year = settled.school_year AND e.section_id = settled.section_id AND e.edit_id = settled.edit_id
  AND e.status = 'C';
