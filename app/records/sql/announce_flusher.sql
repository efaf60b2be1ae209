-- Say that this flusher is alive; forget those that have long been silent.
WITH gone AS (
  DELETE FROM flusher WHERE seen_until < clock_timestamp() - interval '1 minute'
)
INSERT INTO flusher (owner, seen_until)
VALUES ($1::uuid, clock_timestamp() + $2::int * interval '1 millisecond')
ON CONFLICT (owner) DO UPDATE SET seen_until = EXCLUDED.seen_until;
