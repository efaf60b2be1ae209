-- Edits that the history has with status P, so that they are found without reading it.
INSERT INTO parked_edit (school_year, section_id, edit_id)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::uuid[]);
