-- Ties the sections of the package to their terms, and loosens ties that the package no longer has.
WITH wanted AS MATERIALIZED (
  SELECT DISTINCT section.section_id, term.academic_session_id
  FROM roster_stage.section AS staged
  JOIN section USING (sourced_id)
  CROSS JOIN unnest(staged.term_sourced_ids) AS listed (sourced_id)
  JOIN academic_session AS term ON term.sourced_id = listed.sourced_id
  WHERE staged.refused IS NULL AND NOT staged.is_deleted
), loosened AS (
  DELETE FROM section_academic_session AS tie
  USING (SELECT DISTINCT section_id FROM wanted) AS named
  WHERE tie.section_id = named.section_id
    AND NOT EXISTS (
      SELECT FROM wanted
      WHERE wanted.section_id = tie.section_id AND wanted.academic_session_id = tie.academic_session_id)
)
INSERT INTO section_academic_session (section_id, academic_session_id)
SELECT section_id, academic_session_id FROM wanted
ON CONFLICT DO NOTHING
