-- Refuses roles whose id is used twice, or that refer to what is not there.
UPDATE roster_stage.user_role AS staged SET refused = fault.code, reason = fault.reason
FROM (
  SELECT line, min(code) AS code, string_agg(reason, '; ' ORDER BY reason) AS reason
  FROM (
    SELECT line, 'duplicate_sourced_id' AS code,
      format('sourcedId "%s" is in %s lines of the file, first in line %s', sourced_id, twice.lines,
        twice.first) AS reason
    FROM roster_stage.user_role JOIN (
      SELECT sourced_id, count(*) AS lines, min(line) AS first FROM roster_stage.user_role
      WHERE sourced_id IS NOT NULL GROUP BY sourced_id HAVING count(*) > 1
    ) AS twice USING (sourced_id)
    UNION ALL
    SELECT DISTINCT staged.line, 'missing_target', format('userSourcedId "%s": %s', staged.user_sourced_id,
      CASE WHEN target.line IS NULL THEN 'there is no such user' ELSE 'its row in users.csv is refused' END)
    FROM roster_stage.user_role AS staged
    LEFT JOIN roster_stage.user_account AS target
      ON target.sourced_id = staged.user_sourced_id AND target.refused IS NOT NULL
    WHERE staged.refused IS NULL AND NOT staged.is_deleted AND staged.user_sourced_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_stage.known_user AS known WHERE known.sourced_id = staged.user_sourced_id)
    UNION ALL
    SELECT DISTINCT staged.line, 'missing_target', format('orgSourcedId "%s": %s', staged.org_sourced_id,
      CASE WHEN target.line IS NULL THEN 'there is no such org' ELSE 'its row in orgs.csv is refused' END)
    FROM roster_stage.user_role AS staged
    LEFT JOIN roster_stage.org AS target
      ON target.sourced_id = staged.org_sourced_id AND target.refused IS NOT NULL
    WHERE staged.refused IS NULL AND NOT staged.is_deleted AND staged.org_sourced_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_stage.known_org AS known WHERE known.sourced_id = staged.org_sourced_id)
  ) AS found
  GROUP BY line
) AS fault
WHERE staged.line = fault.line AND staged.refused IS NULL
