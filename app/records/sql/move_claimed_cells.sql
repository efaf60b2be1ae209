-- drafted -> recorded, where the journal's own heads vouch for the chain: cells move from exactly the edit and version that
-- the journal claims stands in them (new cells are made by COPY, which refuses one that is there already). Fewer moved than
-- sent: a claim is wrong, roll back, and let app/model/chain.py judge the batch.
WITH applied AS MATERIALIZED (
  SELECT *
  FROM unnest(
    $1::text::bigint[], $2::text::smallint[], $3::text::bigint[], $4::text::bigint[], $5::text::int[], $6::text::uuid[],
    $7::text::text[], $8::text::bigint[], $9::text::bigint[], $10::text::uuid[], $11::text::int[]
  ) AS a (
    section_id, kind, item, student_id, cell_version, edit_id, value, author_id, entered_ms, claimed_id, claimed_version
  )
), moved AS (
  UPDATE cell AS c
  SET cell_version = a.cell_version, edit_id = a.edit_id, value = a.value::jsonb, author_id = a.author_id,
      entered_at = to_timestamp(a.entered_ms / 1000.0)
  FROM applied AS a
  WHERE c.section_id = a.section_id AND c.kind = a.kind AND c.item = a.item AND c.student_id = a.student_id
    AND c.edit_id = a.claimed_id AND c.cell_version = a.claimed_version
  RETURNING 1
)
SELECT count(*) FROM moved;
