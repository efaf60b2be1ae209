-- I8: what a client was shown as recorded never goes back to an earlier version.
SELECT section_id, edit_id,
       'version ' || cell_version || ' was shown after version ' || highest_before AS detail
FROM (
  SELECT r.section_id, r.edit_id, r.asked_at, s.cell_version,
         max(s.cell_version) OVER seen AS highest_before, max(r.t) OVER seen AS seen_at
  FROM audit_shown AS r
  JOIN audit_stored AS s ON s.section_id = r.section_id AND s.edit_id = r.edit_id AND s.status = 'A'
  WHERE r.state = 'recorded'
  WINDOW seen AS (
    PARTITION BY r.section_id, r.client_id, r.kind, r.item, r.student_id ORDER BY r.asked_at
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
  )
) AS read
WHERE cell_version < highest_before AND asked_at > seen_at
