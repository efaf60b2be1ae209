-- I4: the current value of each cell is the last applied edit of its chain. Named is the later one of the two: it is missing in
-- the cell, or in the history.
SELECT section_id, CASE WHEN h.edit_id IS NULL OR c.cell_version > h.cell_version THEN c.edit_id ELSE h.edit_id END AS edit_id,
       CASE WHEN c.edit_id IS NULL THEN 'applied, and the cell is empty'
            WHEN h.edit_id IS NULL THEN 'a current value without history'
            WHEN c.edit_id <> h.edit_id OR c.cell_version <> h.cell_version
              THEN 'version ' || c.cell_version || ' is current, version ' || h.cell_version || ' was applied last'
            ELSE 'the current value is not the one that was applied' END AS detail
FROM cell AS c
FULL JOIN (
  SELECT DISTINCT ON (section_id, kind, item, student_id) section_id, kind, item, student_id, cell_version, edit_id, value,
         author_id, entered_at
  FROM edit_log
  WHERE status = 'A'
  ORDER BY section_id, kind, item, student_id, cell_version DESC
) AS h USING (section_id, kind, item, student_id)
WHERE (c.edit_id, c.cell_version, c.value, c.author_id, c.entered_at)
  IS DISTINCT FROM (h.edit_id, h.cell_version, h.value, h.author_id, h.entered_at)
