-- The open conflicts of a section.
SELECT e.kind, e.item, e.student_id, e.edit_id, e.author_id, e.value::text AS value,
       (extract(epoch FROM e.entered_at) * 1000)::bigint AS entered_ms
FROM edit_log AS e
WHERE e.school_year = $1::smallint AND e.section_id = $2::bigint AND e.status = 'C'
ORDER BY e.recorded_at;
