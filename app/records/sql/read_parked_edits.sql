-- Edits of these sections that wait for the edit that they are based on, in the order in which they came.
SELECT e.school_year, e.section_id, e.edit_id, e.kind, e.item, e.student_id, e.base_id, e.author_id, e.client_id,
       e.client_seq, (extract(epoch FROM e.entered_at) * 1000)::bigint AS entered_ms, e.value::text AS value, e.resolves
FROM parked_edit AS p
JOIN edit_log AS e USING (school_year, section_id, edit_id)
WHERE p.section_id = ANY ($1::bigint[])
ORDER BY e.recorded_at, e.client_id, e.client_seq;
