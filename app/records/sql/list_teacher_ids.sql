-- Users who teach a section today or will. In pages.
SELECT u.user_id
FROM user_account AS u
WHERE u.user_id > $1::bigint AND u.hidden_at IS NULL
  AND EXISTS (
    SELECT FROM enrollment AS e
    WHERE e.user_id = u.user_id AND e.role = 'teacher' AND e.hidden_at IS NULL
      AND current_date <= coalesce(e.end_date + 1, 'infinity')
  )
ORDER BY u.user_id
LIMIT $2::int;
