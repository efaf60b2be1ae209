-- First statement of a transaction that writes past the journal: the row locks of the partitions, in order, so that no
-- flush of theirs runs beside it, and something to write, so that a commit that is tried again waits for the standby too.
UPDATE flush_partition AS f
SET direct_rows = f.direct_rows + held.rows
FROM (
  SELECT p.partition_id, mine.rows
  FROM unnest($1::smallint[], $2::int[]) AS mine (partition_id, rows)
  JOIN flush_partition AS p USING (partition_id)
  ORDER BY p.partition_id
  FOR UPDATE OF p
) AS held
WHERE f.partition_id = held.partition_id
RETURNING f.partition_id, f.parked, (SELECT incarnation FROM installation) AS incarnation;
