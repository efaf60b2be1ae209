-- How many sections are taught, and by how many people: as list_taught_section_ids.sql and list_teacher_ids.sql have it.
SELECT count(DISTINCT s.section_id) AS section_count,
       count(DISTINCT u.user_id) AS teacher_count
FROM enrollment AS e
LEFT JOIN section AS s ON s.section_id = e.section_id AND s.hidden_at IS NULL
LEFT JOIN user_account AS u ON u.user_id = e.user_id AND u.hidden_at IS NULL
WHERE e.role = 'teacher' AND e.hidden_at IS NULL AND current_date <= coalesce(e.end_date + 1, 'infinity');
