-- One org of the package that is its own ancestor, if there is any. Reached: those with a root above them.
WITH RECURSIVE parent AS (
  SELECT sourced_id, parent_sourced_id, line FROM roster_stage.org WHERE refused IS NULL AND NOT is_deleted
  UNION ALL
  SELECT child.sourced_id, above.sourced_id, 0
  FROM org AS child LEFT JOIN org AS above ON above.org_id = child.parent_org_id
  WHERE NOT EXISTS (
    SELECT FROM roster_stage.org AS staged
    WHERE staged.sourced_id = child.sourced_id AND staged.refused IS NULL AND NOT staged.is_deleted)
), reached AS (
  SELECT sourced_id FROM parent WHERE parent_sourced_id IS NULL
  UNION
  SELECT parent.sourced_id FROM parent JOIN reached ON reached.sourced_id = parent.parent_sourced_id
), unreached AS (
  SELECT * FROM parent WHERE NOT EXISTS (SELECT FROM reached WHERE reached.sourced_id = parent.sourced_id)
), walk AS (
  SELECT line, sourced_id, parent_sourced_id, ARRAY[sourced_id] AS path, 0 AS depth
  FROM (SELECT * FROM unreached WHERE line > 0 ORDER BY line LIMIT 1) AS first
  UNION ALL
  SELECT unreached.line, unreached.sourced_id, unreached.parent_sourced_id, path || unreached.sourced_id, depth + 1
  FROM walk JOIN unreached ON unreached.sourced_id = walk.parent_sourced_id
  WHERE depth < 20 AND NOT unreached.sourced_id = ANY (path)
)
SELECT line, array_to_string(path || parent_sourced_id, ' → ') AS path FROM walk ORDER BY depth DESC LIMIT 1
