-- Take up to $2 partitions that nobody holds, lowest first; each taking begins a new lease epoch.
WITH free AS (
  SELECT partition_id
  FROM flush_partition
  WHERE owner IS NULL OR lease_until < clock_timestamp()
  ORDER BY partition_id
  LIMIT $2::int
  FOR UPDATE SKIP LOCKED
)
UPDATE flush_partition AS f
SET owner = $1::uuid, lease_epoch = f.lease_epoch + 1,
    lease_until = clock_timestamp() + $3::int * interval '1 millisecond'
FROM free
WHERE f.partition_id = free.partition_id
RETURNING f.partition_id, f.lease_epoch;
