-- I7: what was acknowledged before another edit of the cell was sent comes before it in the chain.
SELECT section_id, edit_id,
       'version ' || cell_version || ' was sent after a later version had been acknowledged' AS detail
FROM (
  SELECT e.section_id, e.edit_id, e.first_sent_at, s.cell_version,
         min(e.acked_at) OVER (
           PARTITION BY e.section_id, e.kind, e.item, e.student_id ORDER BY s.cell_version DESC
           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
         ) AS later_acked_at
  FROM audit_edit AS e JOIN audit_stored AS s USING (section_id, edit_id)
  WHERE s.status = 'A'
) AS applied
WHERE later_acked_at < first_sent_at
