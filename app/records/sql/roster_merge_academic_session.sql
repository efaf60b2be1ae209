-- Adds, changes, hides and brings back academic sessions. A parent that is new itself is set afterwards.
-- $1: whether what is not in the file is to be hidden.
WITH incoming AS MATERIALIZED (
  SELECT staged.sourced_id, staged.title, staged.type, staged.start_date, staged.end_date, staged.school_year,
         parent.academic_session_id AS parent_academic_session_id
  FROM roster_stage.academic_session AS staged
  LEFT JOIN academic_session AS parent ON parent.sourced_id = staged.parent_sourced_id
  WHERE staged.refused IS NULL AND NOT staged.is_deleted
), changed AS (
  UPDATE academic_session AS target SET title = incoming.title, type = incoming.type,
    start_date = incoming.start_date, end_date = incoming.end_date, school_year = incoming.school_year,
    parent_academic_session_id = incoming.parent_academic_session_id, hidden_at = NULL
  FROM incoming JOIN academic_session AS was USING (sourced_id)
  WHERE was.academic_session_id = target.academic_session_id
    AND (target.hidden_at IS NOT NULL OR (target.title, target.type, target.start_date, target.end_date,
      target.school_year, target.parent_academic_session_id) IS DISTINCT FROM (incoming.title, incoming.type,
      incoming.start_date, incoming.end_date, incoming.school_year, incoming.parent_academic_session_id))
  RETURNING was.hidden_at IS NOT NULL AS is_back
), added AS (
  INSERT INTO academic_session (sourced_id, title, type, start_date, end_date, school_year,
    parent_academic_session_id)
  SELECT sourced_id, title, type, start_date, end_date, school_year, parent_academic_session_id FROM incoming
  WHERE NOT EXISTS (SELECT FROM academic_session AS present WHERE present.sourced_id = incoming.sourced_id)
  RETURNING 1
), hidden AS (
  UPDATE academic_session AS target SET hidden_at = now()
  FROM (
    SELECT present.academic_session_id
      FROM academic_session AS present LEFT JOIN roster_stage.academic_session AS staged USING (sourced_id)
    WHERE present.hidden_at IS NULL AND present.sourced_id IS NOT NULL
      AND ((staged.is_deleted AND staged.refused IS NULL) OR (staged.line IS NULL AND $1::boolean))
  ) AS gone
  WHERE target.academic_session_id = gone.academic_session_id
  RETURNING 1
)
SELECT (SELECT count(*) FROM added) AS added,
       (SELECT count(*) FILTER (WHERE NOT is_back) FROM changed) AS changed,
       (SELECT count(*) FILTER (WHERE is_back) FROM changed) AS returned,
       (SELECT count(*) FROM hidden) AS hidden,
       (SELECT count(*) FROM incoming) AS incoming
