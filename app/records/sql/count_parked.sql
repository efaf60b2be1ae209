-- How many edits of these partitions are parked more (or fewer) than before; the transaction holds their rows.
UPDATE flush_partition AS f
SET parked = greatest(0, f.parked + moved.by)
FROM unnest($1::smallint[], $2::int[]) AS moved (partition_id, by)
WHERE f.partition_id = moved.partition_id;
