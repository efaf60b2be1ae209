-- Give partitions back at once, so that another flusher need not wait for the lease to run out.
UPDATE flush_partition
SET owner = NULL, lease_until = NULL
WHERE owner = $1::uuid AND partition_id = ANY ($2::smallint[])
RETURNING partition_id;
