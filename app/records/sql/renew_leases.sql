-- Renew what is still held under the same epoch; what does not come back is lost. Rows are locked in order, as by whoever
-- writes past the journal (hold_partitions.sql), or the two would wait for each other.
UPDATE flush_partition AS f
SET lease_until = clock_timestamp() + $4::int * interval '1 millisecond'
FROM (
  SELECT p.partition_id, mine.lease_epoch
  FROM unnest($2::smallint[], $3::bigint[]) AS mine (partition_id, lease_epoch)
  JOIN flush_partition AS p USING (partition_id)
  ORDER BY p.partition_id
  FOR UPDATE OF p
) AS held
WHERE f.partition_id = held.partition_id AND f.owner = $1::uuid AND f.lease_epoch = held.lease_epoch
RETURNING f.partition_id;
