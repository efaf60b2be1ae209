-- Adds, changes, hides and brings back enrollments. $1: whether what is not in the file is to be hidden.
WITH incoming AS MATERIALIZED (
  SELECT staged.sourced_id, section.section_id, user_account.user_id, staged.role,
         coalesce(staged.is_primary, false) AS is_primary, staged.begin_date, staged.end_date
  FROM roster_stage.enrollment AS staged
  JOIN section ON section.sourced_id = staged.section_sourced_id
  JOIN user_account ON user_account.sourced_id = staged.user_sourced_id
  WHERE staged.refused IS NULL AND NOT staged.is_deleted
), changed AS (
  UPDATE enrollment AS target SET section_id = incoming.section_id, user_id = incoming.user_id, role = incoming.role,
    is_primary = incoming.is_primary, begin_date = incoming.begin_date, end_date = incoming.end_date, hidden_at = NULL
  FROM incoming JOIN enrollment AS was USING (sourced_id)
  WHERE was.section_id = target.section_id AND was.enrollment_id = target.enrollment_id
    AND (target.hidden_at IS NOT NULL OR (target.section_id, target.user_id, target.role, target.is_primary,
      target.begin_date, target.end_date) IS DISTINCT FROM (incoming.section_id, incoming.user_id, incoming.role,
      incoming.is_primary, incoming.begin_date, incoming.end_date))
  RETURNING was.hidden_at IS NOT NULL AS is_back
), added AS (
  INSERT INTO enrollment (sourced_id, section_id, user_id, role, is_primary, begin_date, end_date)
  SELECT sourced_id, section_id, user_id, role, is_primary, begin_date, end_date FROM incoming
  WHERE NOT EXISTS (SELECT FROM enrollment AS present WHERE present.sourced_id = incoming.sourced_id)
  RETURNING 1
), hidden AS (
  UPDATE enrollment AS target SET hidden_at = now()
  FROM (
    SELECT present.section_id, present.enrollment_id
      FROM enrollment AS present LEFT JOIN roster_stage.enrollment AS staged USING (sourced_id)
    WHERE present.hidden_at IS NULL AND present.sourced_id IS NOT NULL
      AND ((staged.is_deleted AND staged.refused IS NULL) OR (staged.line IS NULL AND $1::boolean))
  ) AS gone
  WHERE target.section_id = gone.section_id AND target.enrollment_id = gone.enrollment_id
  RETURNING 1
)
SELECT (SELECT count(*) FROM added) AS added,
       (SELECT count(*) FILTER (WHERE NOT is_back) FROM changed) AS changed,
       (SELECT count(*) FILTER (WHERE is_back) FROM changed) AS returned,
       (SELECT count(*) FROM hidden) AS hidden,
       (SELECT count(*) FROM incoming) AS incoming
