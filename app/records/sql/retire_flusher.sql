-- A flusher that stops takes its name off the list, and gives back what it still holds.
WITH gone AS (
  DELETE FROM flusher WHERE owner = $1::uuid
)
UPDATE flush_partition SET owner = NULL, lease_until = NULL WHERE owner = $1::uuid RETURNING partition_id;
