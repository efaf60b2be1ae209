-- Sections whose terms are now in another school year than the one that they were made for, and keep.
SELECT count(*)
FROM roster_stage.section AS staged JOIN section USING (sourced_id)
WHERE staged.refused IS NULL AND NOT staged.is_deleted
  AND section.school_year <> (
    SELECT max(term.school_year) FROM academic_session AS term WHERE term.sourced_id = ANY (staged.term_sourced_ids))
