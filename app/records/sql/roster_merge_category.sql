-- Adds, changes, hides and brings back categories. $1: whether what is not in the file is to be hidden.
WITH incoming AS MATERIALIZED (
  SELECT sourced_id, title, weight::numeric AS weight
  FROM roster_stage.category
  WHERE refused IS NULL AND NOT is_deleted
), changed AS (
  UPDATE category AS target SET title = incoming.title, weight = incoming.weight, hidden_at = NULL
  FROM incoming JOIN category AS was USING (sourced_id)
  WHERE was.category_id = target.category_id
    AND (target.hidden_at IS NOT NULL OR (target.title, target.weight) IS DISTINCT FROM (incoming.title,
      incoming.weight))
  RETURNING was.hidden_at IS NOT NULL AS is_back
), added AS (
  INSERT INTO category (sourced_id, title, weight)
  SELECT sourced_id, title, weight FROM incoming
  WHERE NOT EXISTS (SELECT FROM category AS present WHERE present.sourced_id = incoming.sourced_id)
  RETURNING 1
), hidden AS (
  UPDATE category AS target SET hidden_at = now()
  FROM (
    SELECT present.category_id FROM category AS present LEFT JOIN roster_stage.category AS staged USING (sourced_id)
    WHERE present.hidden_at IS NULL AND present.sourced_id IS NOT NULL
      AND ((staged.is_deleted AND staged.refused IS NULL) OR (staged.line IS NULL AND $1::boolean))
  ) AS gone
  WHERE target.category_id = gone.category_id
  RETURNING 1
)
SELECT (SELECT count(*) FROM added) AS added,
       (SELECT count(*) FILTER (WHERE NOT is_back) FROM changed) AS changed,
       (SELECT count(*) FILTER (WHERE is_back) FROM changed) AS returned,
       (SELECT count(*) FROM hidden) AS hidden,
       (SELECT count(*) FROM incoming) AS incoming
