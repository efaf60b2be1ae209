-- drafted -> recorded: the history of every edit of a batch, and the current value of each cell, in one statement.
--
-- The chain has been walked by app/model/chain.py between reading the heads and this statement, under the row locks of the
-- partitions' leases. Two indexes hold it to account: the primary key refuses an edit that is recorded already, and
-- edit_log_chain refuses a second edit with the same version of a cell. Either way nothing of the batch is written.
-- $22 marks the last applied edit of each cell: the one row that becomes its current value.
WITH batch AS MATERIALIZED (
  SELECT *
  FROM unnest(
    $1::smallint[], $2::bigint[], $3::uuid[], $4::smallint[], $5::bigint[], $6::bigint[], $7::int[], $8::uuid[],
    $9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::uuid[], $16::int[],
    $17::bigint[], $18::int[], $19::bigint[], $20::text[], $21::text[], $22::boolean[]
  ) AS b (
    school_year, section_id, edit_id, kind, item, student_id, cell_version, base_id,
    status, code, params, value, author_id, acting_as, client_id, client_seq,
    entered_ms, clock_skew_ms, received_ms, path, resolves, is_head
  )
), history AS (
  INSERT INTO edit_log (
    school_year, section_id, edit_id, kind, item, student_id, cell_version, base_id, status, code, params, value,
    author_id, acting_as, client_id, client_seq, entered_at, clock_skew_ms, received_at, path, resolves
  )
  SELECT school_year, section_id, edit_id, kind, item, student_id, cell_version, base_id, status::"char", code,
         params::jsonb, value::jsonb, author_id, acting_as, client_id, client_seq,
         to_timestamp(entered_ms / 1000.0), clock_skew_ms, to_timestamp(received_ms / 1000.0), path::"char",
         resolves::uuid[]
  FROM batch
)
INSERT INTO cell AS c (section_id, kind, item, student_id, cell_version, edit_id, value, author_id, entered_at)
SELECT section_id, kind, item, student_id, cell_version, edit_id, value::jsonb, author_id,
       to_timestamp(entered_ms / 1000.0)
FROM batch
WHERE is_head
ORDER BY section_id, kind, item, student_id
ON CONFLICT (section_id, kind, item, student_id) DO UPDATE
SET cell_version = EXCLUDED.cell_version, edit_id = EXCLUDED.edit_id, value = EXCLUDED.value,
    author_id = EXCLUDED.author_id, entered_at = EXCLUDED.entered_at
WHERE c.cell_version < EXCLUDED.cell_version;
