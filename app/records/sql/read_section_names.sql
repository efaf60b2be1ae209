-- Display names of users, and of everybody who teaches or has taught a section.
SELECT user_id, coalesce(preferred_given_name, given_name) || ' ' || coalesce(preferred_family_name, family_name) AS name
FROM user_account
WHERE user_id IN (
  SELECT unnest($2::bigint[])
  UNION
  SELECT e.user_id FROM enrollment AS e
  WHERE e.section_id = $1::bigint AND e.role = 'teacher' AND e.hidden_at IS NULL
);
