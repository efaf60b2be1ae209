-- This history of the database, minting a new one where PostgreSQL itself says that it was restored or promoted.
WITH control AS (
  SELECT s.system_identifier, c.timeline_id
  FROM pg_control_system() AS s, pg_control_checkpoint() AS c
), seen AS (
  UPDATE installation AS i
  SET incarnation = CASE WHEN i.system_identifier IS NULL THEN i.incarnation ELSE gen_random_uuid() END,
      system_identifier = control.system_identifier, timeline_id = control.timeline_id, minted_at = clock_timestamp()
  FROM control
  WHERE (i.system_identifier, i.timeline_id) IS DISTINCT FROM (control.system_identifier, control.timeline_id)
  RETURNING i.incarnation
)
SELECT coalesce((SELECT incarnation FROM seen), (SELECT incarnation FROM installation)) AS incarnation;
