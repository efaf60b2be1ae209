-- I1: stored more than once: in two school years, or in history and quarantine.
SELECT e.section_id, e.edit_id, 'stored ' || count(*) || ' times' AS detail
FROM audit_edit AS e JOIN audit_stored AS s USING (section_id, edit_id)
WHERE e.acked_at IS NOT NULL
GROUP BY e.section_id, e.edit_id
HAVING count(*) > 1
