-- OneRoster 1.1 has no roles.csv: each user has one role in each of its orgs. The first org counts as the primary
-- one.
INSERT INTO roster_stage.user_role (line, sourced_id, is_deleted, user_sourced_id, is_primary, role, org_sourced_id)
SELECT staged.line, staged.sourced_id, false, staged.sourced_id, listed.number = 1, staged.role, listed.sourced_id
FROM roster_stage.user_account AS staged
CROSS JOIN unnest(staged.org_sourced_ids) WITH ORDINALITY AS listed (sourced_id, number)
WHERE staged.refused IS NULL AND NOT staged.is_deleted
