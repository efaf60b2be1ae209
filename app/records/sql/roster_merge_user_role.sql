-- Adds, changes, hides and brings back roles; two rows for the same user, org and role are one. What is not in the
-- file is hidden for all users ($1), or only for users who are in the file ($2, OneRoster 1.1).
WITH staged AS MATERIALIZED (
  SELECT DISTINCT ON (user_account.user_id, org.org_id, role.role)
         user_account.user_id, org.org_id, role.role, role.is_primary, role.begin_date, role.end_date, role.is_deleted
  FROM roster_stage.user_role AS role
  JOIN user_account ON user_account.sourced_id = role.user_sourced_id
  JOIN org ON org.sourced_id = role.org_sourced_id
  WHERE role.refused IS NULL
  ORDER BY user_account.user_id, org.org_id, role.role, role.is_deleted, role.is_primary DESC, role.line
), changed AS (
  UPDATE user_role AS target
  SET is_primary = incoming.is_primary, begin_date = incoming.begin_date, end_date = incoming.end_date,
    hidden_at = NULL
  FROM staged AS incoming JOIN user_role AS was USING (user_id, org_id, role)
  WHERE was.user_id = target.user_id AND was.org_id = target.org_id AND was.role = target.role
    AND NOT incoming.is_deleted
    AND (target.hidden_at IS NOT NULL OR (target.is_primary, target.begin_date, target.end_date)
         IS DISTINCT FROM (incoming.is_primary, incoming.begin_date, incoming.end_date))
  RETURNING was.hidden_at IS NOT NULL AS is_back
), added AS (
  INSERT INTO user_role (user_id, org_id, role, is_primary, begin_date, end_date)
  SELECT user_id, org_id, role, is_primary, begin_date, end_date FROM staged
  WHERE NOT is_deleted
    AND NOT EXISTS (
      SELECT FROM user_role AS present
      WHERE present.user_id = staged.user_id AND present.org_id = staged.org_id AND present.role = staged.role)
  RETURNING 1
), hidden AS (
  UPDATE user_role AS target SET hidden_at = now()
  FROM (
    SELECT present.user_id, present.org_id, present.role
    FROM user_role AS present
    LEFT JOIN staged USING (user_id, org_id, role)
    LEFT JOIN (
      SELECT DISTINCT user_account.user_id, true AS is_listed
      FROM roster_stage.user_account AS listed JOIN user_account USING (sourced_id)
      WHERE listed.refused IS NULL AND NOT listed.is_deleted
    ) AS owner USING (user_id)
    WHERE present.hidden_at IS NULL
      AND (staged.is_deleted OR (staged.user_id IS NULL AND ($1::boolean OR ($2::boolean AND owner.is_listed))))
  ) AS gone
  WHERE target.user_id = gone.user_id AND target.org_id = gone.org_id AND target.role = gone.role
  RETURNING 1
)
SELECT (SELECT count(*) FROM added) AS added,
       (SELECT count(*) FILTER (WHERE NOT is_back) FROM changed) AS changed,
       (SELECT count(*) FILTER (WHERE is_back) FROM changed) AS returned,
       (SELECT count(*) FROM hidden) AS hidden,
       (SELECT count(*) FROM staged WHERE NOT is_deleted) AS incoming
