-- The rehearsal's teachers numbered $1 to $2, each with the sections of the rehearsal that they teach ($3 at most).
SELECT substr(u.sourced_id, 13)::int AS number, u.user_id, u.username, o.org_id,
       (array_agg(DISTINCT s.section_id ORDER BY s.section_id))[1:$3::int] AS section_ids
FROM user_account AS u
JOIN enrollment AS e ON e.user_id = u.user_id AND e.role = 'teacher' AND e.hidden_at IS NULL
JOIN section AS s ON s.section_id = e.section_id AND s.hidden_at IS NULL
JOIN org AS o ON o.org_id = s.org_id AND o.sourced_id = 'rehearsal'
WHERE u.sourced_id = ANY (ARRAY(SELECT 'rehearsal-t-' || n FROM generate_series($1::int, $2::int) AS n))
GROUP BY u.user_id, o.org_id
ORDER BY number
