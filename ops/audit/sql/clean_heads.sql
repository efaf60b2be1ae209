-- I10: the journal shows as recorded what PostgreSQL does not have, or another edit of the same version.
SELECT h.section_id, h.edit_id,
       CASE WHEN c.edit_id IS NULL THEN 'the journal calls it recorded; PostgreSQL has nothing in its cell'
            ELSE 'the journal calls it recorded as version ' || h.cell_version || '; PostgreSQL has another edit as version '
              || c.cell_version END AS detail
FROM audit_journal_head AS h
LEFT JOIN cell AS c USING (section_id, kind, item, student_id)
WHERE NOT h.is_drafted
  AND (c.edit_id IS NULL OR c.cell_version < h.cell_version
    OR (c.cell_version = h.cell_version AND c.edit_id <> h.edit_id))
