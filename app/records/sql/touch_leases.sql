-- Part of every flush transaction: take the row locks of all partitions of this owner in order, renew their leases, and
-- make the transaction write something. A row that is missing from the answer is a lease lost: roll back.
UPDATE flush_partition AS f
SET batches = f.batches + 1, rows = f.rows + held.rows, last_flush_at = clock_timestamp(),
    lease_until = clock_timestamp() + $4::int * interval '1 millisecond'
FROM (
  SELECT p.partition_id, mine.lease_epoch, mine.rows
  FROM unnest($2::smallint[], $3::bigint[], $5::int[]) AS mine (partition_id, lease_epoch, rows)
  JOIN flush_partition AS p USING (partition_id)
  ORDER BY p.partition_id
  FOR UPDATE OF p
) AS held
WHERE f.partition_id = held.partition_id AND f.owner = $1::uuid AND f.lease_epoch = held.lease_epoch
RETURNING f.partition_id, (SELECT incarnation FROM installation) AS incarnation, f.parked;
