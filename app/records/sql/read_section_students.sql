-- Everyone who is or was a student of a section, with whether they are one today, by name.
SELECT u.user_id AS student_id, coalesce(u.preferred_given_name, u.given_name) AS given_name,
       coalesce(u.preferred_family_name, u.family_name) AS family_name, u.identifier, u.grades,
       bool_or(e.hidden_at IS NULL AND u.hidden_at IS NULL AND $2::date >= coalesce(e.begin_date, '-infinity')
               AND $2::date <= coalesce(e.end_date, 'infinity')) AS is_active
FROM enrollment AS e
JOIN user_account AS u USING (user_id)
WHERE e.section_id = $1::bigint AND e.role = 'student'
GROUP BY u.user_id
ORDER BY family_name, given_name, u.user_id;
