-- I3: the applied versions of a cell are 1 to n, and each is based on the one before.
SELECT count(*) OVER () AS total, section_id, edit_id,
       CASE WHEN cell_version <> place THEN 'version ' || cell_version || ' where ' || place || ' was due'
            ELSE 'version ' || cell_version || ' is not based on the version before it' END AS detail
FROM (
  SELECT section_id, edit_id, cell_version, base_id, row_number() OVER chain AS place, lag(edit_id) OVER chain AS before
  FROM edit_log
  WHERE status = 'A'
  WINDOW chain AS (PARTITION BY section_id, kind, item, student_id ORDER BY cell_version)
) AS applied
WHERE cell_version <> place OR base_id IS DISTINCT FROM before
LIMIT 10
