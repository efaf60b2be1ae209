-- A flusher that stops takes its name off the list, and gives back what it still holds. Rows are locked in order.
WITH gone AS (
  DELETE FROM flusher WHERE owner = $1::uuid
)
UPDATE flush_partition AS f
SET owner = NULL, lease_until = NULL
FROM (
  SELECT p.partition_id FROM flush_partition AS p WHERE p.owner = $1::uuid ORDER BY p.partition_id FOR UPDATE
) AS held
WHERE f.partition_id = held.partition_id
RETURNING f.partition_id;
