-- Everything that PostgreSQL holds of the ledger's sections, history and quarantine alike (imports apart).
CREATE TEMP TABLE audit_stored AS
WITH wanted AS (SELECT DISTINCT section_id FROM audit_typed)
SELECT e.section_id, e.edit_id, e.status::text AS status, e.cell_version, e.base_id, e.kind, e.item, e.student_id,
       e.value, e.author_id AS user_id, e.client_id, e.client_seq, e.resolves,
       (extract(epoch FROM e.entered_at) * 1000)::bigint AS entered_ms, e.recorded_at
FROM edit_log AS e JOIN wanted USING (section_id)
WHERE e.path <> 'i'
UNION ALL
SELECT q.section_id, q.edit_id, 'Q', NULL, NULL, NULL, NULL, NULL, NULL, q.user_id, q.client_id, q.client_seq, NULL, NULL,
       q.recorded_at
FROM edit_quarantine AS q JOIN wanted USING (section_id)
WHERE q.edit_id IS NOT NULL
