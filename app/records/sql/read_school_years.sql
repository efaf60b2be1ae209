-- The school year that each section was made for: the partition of its history.
SELECT section_id, school_year FROM section WHERE section_id = ANY ($1::bigint[]);
