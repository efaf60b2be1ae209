-- The columns of a section that hold anything: all others are empty, and need not be loaded to be known.
SELECT DISTINCT kind, item FROM cell WHERE section_id = $1::bigint;
