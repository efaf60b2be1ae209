-- Adds, changes, hides and brings back users; never a password. $1: whether what is not in the file is to be hidden.
WITH incoming AS MATERIALIZED (
  SELECT sourced_id, username, given_name, family_name, middle_name, preferred_given_name, preferred_family_name,
         identifier, email, grades, is_enabled
  FROM roster_stage.user_account
  WHERE refused IS NULL AND NOT is_deleted
), changed AS (
  UPDATE user_account AS target SET username = incoming.username, given_name = incoming.given_name,
    family_name = incoming.family_name, middle_name = incoming.middle_name,
    preferred_given_name = incoming.preferred_given_name, preferred_family_name = incoming.preferred_family_name,
    identifier = incoming.identifier, email = incoming.email, grades = incoming.grades,
    is_enabled = incoming.is_enabled, hidden_at = NULL
  FROM incoming JOIN user_account AS was USING (sourced_id)
  WHERE was.user_id = target.user_id
    AND (target.hidden_at IS NOT NULL OR (target.username, target.given_name, target.family_name, target.middle_name,
      target.preferred_given_name, target.preferred_family_name, target.identifier, target.email, target.grades,
      target.is_enabled) IS DISTINCT FROM (incoming.username, incoming.given_name, incoming.family_name,
      incoming.middle_name, incoming.preferred_given_name, incoming.preferred_family_name, incoming.identifier,
      incoming.email, incoming.grades, incoming.is_enabled))
  RETURNING was.hidden_at IS NOT NULL AS is_back
), added AS (
  INSERT INTO user_account (sourced_id, username, given_name, family_name, middle_name, preferred_given_name,
    preferred_family_name, identifier, email, grades, is_enabled)
  SELECT sourced_id, username, given_name, family_name, middle_name, preferred_given_name, preferred_family_name,
    identifier, email, grades, is_enabled FROM incoming
  WHERE NOT EXISTS (SELECT FROM user_account AS present WHERE present.sourced_id = incoming.sourced_id)
  RETURNING 1
), hidden AS (
  UPDATE user_account AS target SET hidden_at = now()
  FROM (
    SELECT present.user_id
      FROM user_account AS present LEFT JOIN roster_stage.user_account AS staged USING (sourced_id)
    WHERE present.hidden_at IS NULL AND present.sourced_id IS NOT NULL
      AND ((staged.is_deleted AND staged.refused IS NULL) OR (staged.line IS NULL AND $1::boolean))
  ) AS gone
  WHERE target.user_id = gone.user_id
  RETURNING 1
)
SELECT (SELECT count(*) FROM added) AS added,
       (SELECT count(*) FILTER (WHERE NOT is_back) FROM changed) AS changed,
       (SELECT count(*) FILTER (WHERE is_back) FROM changed) AS returned,
       (SELECT count(*) FROM hidden) AS hidden,
       (SELECT count(*) FROM incoming) AS incoming
