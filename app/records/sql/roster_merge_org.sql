-- Adds, changes, hides and brings back orgs. A parent that is new itself is set afterwards.
-- $1: whether what is not in the file is to be hidden.
WITH incoming AS MATERIALIZED (
  SELECT staged.sourced_id, staged.name, staged.type, staged.identifier, parent.org_id AS parent_org_id
  FROM roster_stage.org AS staged LEFT JOIN org AS parent ON parent.sourced_id = staged.parent_sourced_id
  WHERE staged.refused IS NULL AND NOT staged.is_deleted
), changed AS (
  UPDATE org AS target SET name = incoming.name, type = incoming.type, identifier = incoming.identifier,
    parent_org_id = incoming.parent_org_id, hidden_at = NULL
  FROM incoming JOIN org AS was USING (sourced_id)
  WHERE was.org_id = target.org_id
    AND (target.hidden_at IS NOT NULL OR (target.name, target.type, target.identifier, target.parent_org_id)
      IS DISTINCT FROM (incoming.name, incoming.type, incoming.identifier, incoming.parent_org_id))
  RETURNING was.hidden_at IS NOT NULL AS is_back
), added AS (
  INSERT INTO org (sourced_id, name, type, identifier, parent_org_id)
  SELECT sourced_id, name, type, identifier, parent_org_id FROM incoming
  WHERE NOT EXISTS (SELECT FROM org AS present WHERE present.sourced_id = incoming.sourced_id)
  RETURNING 1
), hidden AS (
  UPDATE org AS target SET hidden_at = now()
  FROM (
    SELECT present.org_id FROM org AS present LEFT JOIN roster_stage.org AS staged USING (sourced_id)
    WHERE present.hidden_at IS NULL AND present.sourced_id IS NOT NULL
      AND ((staged.is_deleted AND staged.refused IS NULL) OR (staged.line IS NULL AND $1::boolean))
  ) AS gone
  WHERE target.org_id = gone.org_id
  RETURNING 1
)
SELECT (SELECT count(*) FROM added) AS added,
       (SELECT count(*) FILTER (WHERE NOT is_back) FROM changed) AS changed,
       (SELECT count(*) FILTER (WHERE is_back) FROM changed) AS returned,
       (SELECT count(*) FROM hidden) AS hidden,
       (SELECT count(*) FROM incoming) AS incoming
