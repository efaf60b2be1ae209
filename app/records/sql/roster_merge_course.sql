-- Adds, changes, hides and brings back courses. $1: whether what is not in the file is to be hidden.
WITH incoming AS MATERIALIZED (
  SELECT staged.sourced_id, staged.title, staged.course_code, org.org_id
  FROM roster_stage.course AS staged JOIN org ON org.sourced_id = staged.org_sourced_id
  WHERE staged.refused IS NULL AND NOT staged.is_deleted
), changed AS (
  UPDATE course AS target SET title = incoming.title, course_code = incoming.course_code, org_id = incoming.org_id,
    hidden_at = NULL
  FROM incoming JOIN course AS was USING (sourced_id)
  WHERE was.course_id = target.course_id
    AND (target.hidden_at IS NOT NULL OR (target.title, target.course_code, target.org_id) IS DISTINCT
      FROM (incoming.title, incoming.course_code, incoming.org_id))
  RETURNING was.hidden_at IS NOT NULL AS is_back
), added AS (
  INSERT INTO course (sourced_id, title, course_code, org_id)
  SELECT sourced_id, title, course_code, org_id FROM incoming
  WHERE NOT EXISTS (SELECT FROM course AS present WHERE present.sourced_id = incoming.sourced_id)
  RETURNING 1
), hidden AS (
  UPDATE course AS target SET hidden_at = now()
  FROM (
    SELECT present.course_id FROM course AS present LEFT JOIN roster_stage.course AS staged USING (sourced_id)
    WHERE present.hidden_at IS NULL AND present.sourced_id IS NOT NULL
      AND ((staged.is_deleted AND staged.refused IS NULL) OR (staged.line IS NULL AND $1::boolean))
  ) AS gone
  WHERE target.course_id = gone.course_id
  RETURNING 1
)
SELECT (SELECT count(*) FROM added) AS added,
       (SELECT count(*) FILTER (WHERE NOT is_back) FROM changed) AS changed,
       (SELECT count(*) FILTER (WHERE is_back) FROM changed) AS returned,
       (SELECT count(*) FROM hidden) AS hidden,
       (SELECT count(*) FROM incoming) AS incoming
