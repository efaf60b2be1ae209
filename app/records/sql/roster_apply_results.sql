-- Results in lines $1 to $2 become cells and history (path i, author 0: the import). $3, $4: kinds of score and
-- comment; $5: the run. A cell whose last edit is a person's stays as it is, also while a conflict about it is open.
WITH located AS MATERIALIZED (
  SELECT staged.line, staged.sourced_id, staged.is_deleted, line_item.section_id, section.school_year,
         line_item.line_item_id AS item, student.user_id AS student_id, staged.score_value, staged.comment_value,
         coalesce(staged.modified_at, (staged.score_date + time '12:00') AT TIME ZONE org.time_zone,
           now()) AS entered_at
  FROM roster_stage.result AS staged
  JOIN line_item ON line_item.sourced_id = staged.line_item_sourced_id
  JOIN section USING (section_id)
  JOIN org USING (org_id)
  JOIN user_account AS student ON student.sourced_id = staged.student_sourced_id
  WHERE staged.refused IS NULL AND staged.line BETWEEN $1::int AND $2::int
), wanted AS (
  SELECT located.*, part.kind, part.value IS NULL OR is_deleted AS is_empty,
         CASE WHEN part.value IS NULL OR is_deleted THEN part.emptied ELSE part.value END::jsonb AS value
  FROM located
  CROSS JOIN LATERAL (
    VALUES ($3::smallint, score_value, '{}'), ($4::smallint, comment_value, '{"text":""}')
  ) AS part (kind, value, emptied)
), judged AS MATERIALIZED (
  SELECT wanted.*, head.edit_id AS base_id, coalesce(head.cell_version, 0) + 1 AS cell_version,
         roster_edit_id(concat_ws('|', wanted.sourced_id, wanted.kind, wanted.value, head.edit_id)) AS edit_id,
         CASE
           WHEN head.edit_id IS NULL THEN CASE WHEN is_empty THEN 'same' ELSE 'new' END
           WHEN wanted.value - 'score' = head.value - 'score'
             AND (wanted.value ->> 'score')::numeric IS NOT DISTINCT
               FROM (head.value ->> 'score')::numeric THEN 'same'
           WHEN head.author_id = 0 AND NOT EXISTS (
             SELECT FROM edit_log AS open
             WHERE open.status = 'C' AND open.section_id = wanted.section_id AND open.kind = wanted.kind
               AND open.item = wanted.item AND open.student_id = wanted.student_id) THEN 'changed'
           WHEN is_empty AND NOT is_deleted THEN 'same'
           ELSE 'kept'
         END AS verdict
  FROM wanted
  LEFT JOIN cell AS head
    ON head.section_id = wanted.section_id AND head.kind = wanted.kind AND head.item = wanted.item
    AND head.student_id = wanted.student_id
), added AS (
  INSERT INTO cell (section_id, kind, item, student_id, cell_version, edit_id, value, author_id, entered_at)
  SELECT section_id, kind, item, student_id, cell_version, edit_id, value, 0, entered_at
  FROM judged WHERE verdict = 'new'
  ORDER BY section_id, kind, item, student_id
  RETURNING edit_id
), changed AS (
  UPDATE cell
  SET cell_version = judged.cell_version, edit_id = judged.edit_id, value = judged.value, author_id = 0,
      entered_at = judged.entered_at
  FROM judged
  WHERE judged.verdict = 'changed' AND cell.section_id = judged.section_id AND cell.kind = judged.kind
    AND cell.item = judged.item AND cell.student_id = judged.student_id
  RETURNING cell.edit_id
), history AS (
  INSERT INTO edit_log (
    school_year, section_id, edit_id, kind, item, student_id, cell_version, base_id, status, value, author_id,
      client_id,
    client_seq, entered_at, received_at, path
  )
  SELECT school_year, section_id, edit_id, kind, item, student_id, cell_version, base_id, 'A', value, 0, $5::uuid,
    line,
         entered_at, now(), 'i'
  FROM judged WHERE verdict IN ('new', 'changed')
), kept AS (
  UPDATE roster_stage.result AS staged SET refused = 'kept', reason = 'kept the teacher''s value: ' || stands.reason
  FROM (
    SELECT line, string_agg(DISTINCT
      CASE kind WHEN $3::smallint THEN 'a score' ELSE 'a comment' END || ' entered in Inkfast', '; ') AS reason
    FROM judged WHERE verdict = 'kept' GROUP BY line
  ) AS stands
  WHERE staged.line = stands.line
)
SELECT count(*) FILTER (WHERE rank = 3) AS added, count(*) FILTER (WHERE rank = 2) AS changed,
       count(*) FILTER (WHERE rank = 1) AS kept, count(*) AS results, (SELECT count(*) FROM added) AS cells_added,
       (SELECT count(*) FROM changed) AS cells_changed
FROM (
  SELECT line, max(CASE verdict WHEN 'new' THEN 3 WHEN 'changed' THEN 2 WHEN 'kept' THEN 1 ELSE 0 END) AS rank
  FROM judged GROUP BY line
) AS by_line
