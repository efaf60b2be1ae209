-- What this package would hide, and how much there is. $1 to $4: whether what is not in the file is to be hidden, for
-- sections, users, roles, enrollments.
SELECT 'sections' AS what, count(*) AS visible,
       count(*) FILTER (WHERE (staged.is_deleted AND staged.refused IS NULL)
         OR (staged.line IS NULL AND $1::boolean)) AS hiding
FROM section LEFT JOIN roster_stage.section AS staged USING (sourced_id)
WHERE hidden_at IS NULL
UNION ALL
SELECT 'students', count(*),
       count(*) FILTER (WHERE (staged.is_deleted AND staged.refused IS NULL) OR (staged.line IS NULL AND $2::boolean))
FROM user_account LEFT JOIN roster_stage.user_account AS staged USING (sourced_id)
WHERE hidden_at IS NULL
  AND EXISTS (
    SELECT FROM user_role
    WHERE user_role.user_id = user_account.user_id AND user_role.role = 'student' AND user_role.hidden_at IS NULL)
UNION ALL
SELECT 'roles of students', count(*),
       count(*) FILTER (WHERE staged.is_deleted OR (staged.user_sourced_id IS NULL AND $3::boolean))
FROM user_role
JOIN user_account USING (user_id)
JOIN org USING (org_id)
LEFT JOIN roster_stage.user_role AS staged
  ON staged.user_sourced_id = user_account.sourced_id AND staged.org_sourced_id = org.sourced_id
  AND staged.role = user_role.role AND staged.refused IS NULL
WHERE user_role.role = 'student' AND user_role.hidden_at IS NULL
UNION ALL
SELECT 'enrollments', count(*),
       count(*) FILTER (WHERE (staged.is_deleted AND staged.refused IS NULL) OR (staged.line IS NULL AND $4::boolean))
FROM enrollment LEFT JOIN roster_stage.enrollment AS staged USING (sourced_id)
WHERE hidden_at IS NULL
