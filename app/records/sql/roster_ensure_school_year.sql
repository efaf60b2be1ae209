-- A partition of the history for this school year.
SELECT ensure_school_year($1::smallint)
