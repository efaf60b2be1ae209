-- I11: sent, never answered, and stored more than once.
SELECT e.section_id, e.edit_id, 'stored ' || count(*) || ' times' AS detail
FROM audit_edit AS e JOIN audit_stored AS s USING (section_id, edit_id)
WHERE e.acked_at IS NULL
GROUP BY e.section_id, e.edit_id
HAVING count(*) > 1
