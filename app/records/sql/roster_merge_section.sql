-- Adds, changes, hides and brings back sections. The school year is that of the latest term, and only for a new
-- section: it is fixed from then on. $1: whether what is not in the file is to be hidden.
WITH incoming AS MATERIALIZED (
  SELECT staged.sourced_id, staged.title, course.course_id, org.org_id, staged.class_code, staged.location,
    staged.periods,
         (SELECT max(term.school_year) FROM academic_session AS term
          WHERE term.sourced_id = ANY (staged.term_sourced_ids)) AS school_year
  FROM roster_stage.section AS staged
  JOIN course ON course.sourced_id = staged.course_sourced_id
  JOIN org ON org.sourced_id = staged.org_sourced_id
  WHERE staged.refused IS NULL AND NOT staged.is_deleted
), changed AS (
  UPDATE section AS target SET title = incoming.title, course_id = incoming.course_id, org_id = incoming.org_id,
    class_code = incoming.class_code, location = incoming.location, periods = incoming.periods, hidden_at = NULL
  FROM incoming JOIN section AS was USING (sourced_id)
  WHERE was.section_id = target.section_id
    AND (target.hidden_at IS NOT NULL OR (target.title, target.course_id, target.org_id, target.class_code,
      target.location, target.periods) IS DISTINCT FROM (incoming.title, incoming.course_id, incoming.org_id,
      incoming.class_code, incoming.location, incoming.periods))
  RETURNING was.hidden_at IS NOT NULL AS is_back
), added AS (
  INSERT INTO section (sourced_id, title, course_id, org_id, class_code, location, periods, school_year)
  SELECT sourced_id, title, course_id, org_id, class_code, location, periods, school_year FROM incoming
  WHERE NOT EXISTS (SELECT FROM section AS present WHERE present.sourced_id = incoming.sourced_id)
  RETURNING 1
), hidden AS (
  UPDATE section AS target SET hidden_at = now()
  FROM (
    SELECT present.section_id FROM section AS present LEFT JOIN roster_stage.section AS staged USING (sourced_id)
    WHERE present.hidden_at IS NULL AND present.sourced_id IS NOT NULL
      AND ((staged.is_deleted AND staged.refused IS NULL) OR (staged.line IS NULL AND $1::boolean))
  ) AS gone
  WHERE target.section_id = gone.section_id
  RETURNING 1
)
SELECT (SELECT count(*) FROM added) AS added,
       (SELECT count(*) FILTER (WHERE NOT is_back) FROM changed) AS changed,
       (SELECT count(*) FILTER (WHERE is_back) FROM changed) AS returned,
       (SELECT count(*) FROM hidden) AS hidden,
       (SELECT count(*) FROM incoming) AS incoming
