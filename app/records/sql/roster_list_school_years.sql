-- The school years of the package's sections; each needs its partition of the history.
SELECT DISTINCT term.school_year
FROM roster_stage.section AS staged
CROSS JOIN unnest(staged.term_sourced_ids) AS listed (sourced_id)
JOIN academic_session AS term ON term.sourced_id = listed.sourced_id
WHERE staged.refused IS NULL AND NOT staged.is_deleted
ORDER BY 1
