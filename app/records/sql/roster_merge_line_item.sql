-- Adds, changes, hides and brings back line items. Where a teacher has changed the column itself (a cell of kind
-- $2), it stays as the teacher made it; where a person has entered something into it ($3: scores, comments), it
-- stays in sight. $1: whether what is not in the file is to be hidden.
WITH incoming AS MATERIALIZED (
  SELECT staged.sourced_id, section.section_id, staged.title, staged.description, category.category_id,
         academic_session.academic_session_id, staged.assign_date, staged.due_date,
         coalesce(staged.result_value_min, '0')::numeric AS result_value_min,
         coalesce(staged.result_value_max, '100')::numeric AS result_value_max,
         least(10000, coalesce((SELECT max(l.position) FROM line_item AS l WHERE l.section_id = section.section_id),
           0)
           + row_number() OVER (PARTITION BY section.section_id ORDER BY staged.due_date, staged.line)) AS position
  FROM roster_stage.line_item AS staged
  JOIN section ON section.sourced_id = staged.section_sourced_id
  LEFT JOIN category ON category.sourced_id = staged.category_sourced_id
  LEFT JOIN academic_session ON academic_session.sourced_id = staged.academic_session_sourced_id
  WHERE staged.refused IS NULL AND NOT staged.is_deleted
), changed AS (
  UPDATE line_item AS target SET title = incoming.title, description = incoming.description,
    category_id = incoming.category_id, academic_session_id = incoming.academic_session_id,
    assign_date = incoming.assign_date, due_date = incoming.due_date, result_value_min = incoming.result_value_min,
    result_value_max = incoming.result_value_max, hidden_at = NULL
  FROM incoming JOIN line_item AS was USING (sourced_id)
  WHERE was.section_id = target.section_id AND was.line_item_id = target.line_item_id
    AND (target.hidden_at IS NOT NULL OR (target.title, target.description, target.category_id,
      target.academic_session_id, target.assign_date, target.due_date, target.result_value_min,
      target.result_value_max) IS DISTINCT FROM (incoming.title, incoming.description, incoming.category_id,
      incoming.academic_session_id, incoming.assign_date, incoming.due_date, incoming.result_value_min,
      incoming.result_value_max))
    AND NOT EXISTS (
      SELECT FROM cell
      WHERE cell.section_id = target.section_id AND cell.kind = $2::smallint AND cell.item = target.line_item_id
        AND cell.student_id = 0)
  RETURNING was.hidden_at IS NOT NULL AS is_back
), added AS (
  INSERT INTO line_item (sourced_id, title, description, category_id, academic_session_id, assign_date, due_date,
    result_value_min, result_value_max, section_id, position)
  SELECT sourced_id, title, description, category_id, academic_session_id, assign_date, due_date, result_value_min,
    result_value_max, section_id, position FROM incoming
  WHERE NOT EXISTS (SELECT FROM line_item AS present WHERE present.sourced_id = incoming.sourced_id)
  RETURNING 1
), hidden AS (
  UPDATE line_item AS target SET hidden_at = now()
  FROM (
    SELECT present.section_id, present.line_item_id
      FROM line_item AS present LEFT JOIN roster_stage.line_item AS staged USING (sourced_id)
    WHERE present.hidden_at IS NULL AND present.sourced_id IS NOT NULL
      AND ((staged.is_deleted AND staged.refused IS NULL) OR (staged.line IS NULL AND $1::boolean))
  ) AS gone
  WHERE target.section_id = gone.section_id AND target.line_item_id = gone.line_item_id
    AND NOT EXISTS (
      SELECT FROM cell
      WHERE cell.section_id = target.section_id AND cell.item = target.line_item_id
        AND (cell.kind = $2::smallint OR (cell.kind = ANY ($3::smallint[]) AND cell.author_id <> 0)))
  RETURNING 1
)
SELECT (SELECT count(*) FROM added) AS added,
       (SELECT count(*) FILTER (WHERE NOT is_back) FROM changed) AS changed,
       (SELECT count(*) FILTER (WHERE is_back) FROM changed) AS returned,
       (SELECT count(*) FROM hidden) AS hidden,
       (SELECT count(*) FROM incoming) AS incoming
