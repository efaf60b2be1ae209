-- The columns of a section, hidden ones too, in the order of the screen.
SELECT l.line_item_id, l.title, l.description, l.category_id, c.title AS category_title, l.academic_session_id,
       a.title AS grading_period, l.assign_date, l.due_date, l.result_value_min, l.result_value_max,
       l.is_extra_credit, l.position, l.hidden_at IS NOT NULL AS is_hidden
FROM line_item AS l
LEFT JOIN category AS c USING (category_id)
LEFT JOIN academic_session AS a ON a.academic_session_id = l.academic_session_id
WHERE l.section_id = $1::bigint
ORDER BY l.position, l.due_date NULLS LAST, l.line_item_id;
