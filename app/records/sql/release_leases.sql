-- Give partitions back at once, so that another flusher need not wait for the lease to run out. Rows are locked in order.
UPDATE flush_partition AS f
SET owner = NULL, lease_until = NULL
FROM (
  SELECT p.partition_id
  FROM flush_partition AS p
  WHERE p.owner = $1::uuid AND p.partition_id = ANY ($2::smallint[])
  ORDER BY p.partition_id
  FOR UPDATE
) AS held
WHERE f.partition_id = held.partition_id
RETURNING f.partition_id;
