-- Renew what is still held under the same epoch; what does not come back is lost.
UPDATE flush_partition AS f
SET lease_until = clock_timestamp() + $4::int * interval '1 millisecond'
FROM unnest($2::smallint[], $3::bigint[]) AS mine (partition_id, lease_epoch)
WHERE f.partition_id = mine.partition_id AND f.owner = $1::uuid AND f.lease_epoch = mine.lease_epoch
RETURNING f.partition_id;
