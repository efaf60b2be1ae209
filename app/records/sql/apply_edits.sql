-- drafted -> recorded: the current value of each cell of a batch, in the transaction that has just written its history.
--
-- The chain was walked by app/model/chain.py after the heads were read, under the row locks of the partitions' leases. Two
-- indexes of the history hold it to account: the primary key refuses an edit that is recorded already, edit_log_chain a
-- second edit with the same version of a cell. Either way nothing of the batch is written. The condition at the end says
-- the same of the current value: it only ever moves forward.
INSERT INTO cell AS c (section_id, kind, item, student_id, cell_version, edit_id, value, author_id, entered_at)
SELECT section_id, kind, item, student_id, cell_version, edit_id, value::jsonb, author_id,
       to_timestamp(entered_ms / 1000.0)
FROM unnest(
  $1::text::bigint[], $2::text::smallint[], $3::text::bigint[], $4::text::bigint[], $5::text::int[], $6::text::uuid[],
  $7::text::text[], $8::text::bigint[], $9::text::bigint[]
) AS applied (section_id, kind, item, student_id, cell_version, edit_id, value, author_id, entered_ms)
ORDER BY section_id, kind, item, student_id
ON CONFLICT (section_id, kind, item, student_id) DO UPDATE
SET cell_version = EXCLUDED.cell_version, edit_id = EXCLUDED.edit_id, value = EXCLUDED.value,
    author_id = EXCLUDED.author_id, entered_at = EXCLUDED.entered_at
WHERE c.cell_version < EXCLUDED.cell_version;
