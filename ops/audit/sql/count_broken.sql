-- The totals. An edit counts once, however many invariants it breaks; what names none counts each time.
SELECT category, count(*) AS total
FROM (
  SELECT DISTINCT category, section_id, edit_id FROM audit_broken WHERE edit_id IS NOT NULL
  UNION ALL
  SELECT category, section_id, edit_id FROM audit_broken WHERE edit_id IS NULL
) AS broken
GROUP BY category
