-- I3: the applied versions of a cell are 1 to n, and each is based on the one before. Each is compared with the one before it
-- alone, so that a gap is one violation, and not as many as come after it.
SELECT section_id, edit_id,
       CASE WHEN cell_version <> due THEN 'version ' || cell_version || ' where ' || due || ' was due'
            ELSE 'version ' || cell_version || ' is not based on the version before it' END AS detail
FROM (
  SELECT section_id, edit_id, cell_version, base_id, lag(cell_version, 1, 0) OVER chain + 1 AS due, lag(edit_id) OVER chain AS before
  FROM edit_log
  WHERE status = 'A'
  WINDOW chain AS (PARTITION BY section_id, kind, item, student_id ORDER BY cell_version)
) AS applied
WHERE cell_version IS DISTINCT FROM due OR base_id IS DISTINCT FROM before
