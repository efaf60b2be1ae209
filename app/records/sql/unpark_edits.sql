-- What became of edits that were parked, now that the edits that they are based on are here.
WITH judged AS (
  SELECT *
  FROM unnest($1::smallint[], $2::bigint[], $3::uuid[], $4::text[], $5::int[], $6::uuid[], $7::text[], $8::text[])
    AS j (school_year, section_id, edit_id, status, cell_version, base_id, code, params)
), unparked AS (
  DELETE FROM parked_edit AS p USING judged
  WHERE p.section_id = judged.section_id AND p.edit_id = judged.edit_id
)
UPDATE edit_log AS e
SET status = judged.status::"char", cell_version = judged.cell_version, base_id = judged.base_id, code = judged.code,
    params = judged.params::jsonb
FROM judged
WHERE e.school_year = judged.school_year AND e.section_id = judged.section_id AND e.edit_id = judged.edit_id
  AND e.status = 'P';
