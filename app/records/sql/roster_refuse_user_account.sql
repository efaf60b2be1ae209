-- Refuses users whose id is used twice, or that refer to orgs that are not there (their names are looked at later).
UPDATE roster_stage.user_account AS staged SET refused = fault.code, reason = fault.reason
FROM (
  SELECT line, min(code) AS code, string_agg(reason, '; ' ORDER BY reason) AS reason
  FROM (
    SELECT line, 'duplicate_sourced_id' AS code,
      format('sourcedId "%s" is in %s lines of the file, first in line %s', sourced_id, twice.lines,
        twice.first) AS reason
    FROM roster_stage.user_account JOIN (
      SELECT sourced_id, count(*) AS lines, min(line) AS first FROM roster_stage.user_account
      WHERE sourced_id IS NOT NULL GROUP BY sourced_id HAVING count(*) > 1
    ) AS twice USING (sourced_id)
    UNION ALL
    SELECT DISTINCT staged.line, 'missing_target', format('primaryOrgSourcedId "%s": %s', staged.primary_org_sourced_id,
      CASE WHEN target.line IS NULL THEN 'there is no such org' ELSE 'its row in orgs.csv is refused' END)
    FROM roster_stage.user_account AS staged
    LEFT JOIN roster_stage.org AS target
      ON target.sourced_id = staged.primary_org_sourced_id AND target.refused IS NOT NULL
    WHERE staged.refused IS NULL AND NOT staged.is_deleted AND staged.primary_org_sourced_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_stage.known_org AS known
        WHERE known.sourced_id = staged.primary_org_sourced_id)
    UNION ALL
    SELECT DISTINCT staged.line, 'missing_target', format('orgSourcedIds "%s": %s', listed.sourced_id,
      CASE WHEN target.line IS NULL THEN 'there is no such org' ELSE 'its row in orgs.csv is refused' END)
    FROM roster_stage.user_account AS staged CROSS JOIN unnest(staged.org_sourced_ids) AS listed (sourced_id)
    LEFT JOIN roster_stage.org AS target
      ON target.sourced_id = listed.sourced_id AND target.refused IS NOT NULL
    WHERE staged.refused IS NULL AND NOT staged.is_deleted
      AND NOT EXISTS (SELECT FROM roster_stage.known_org AS known WHERE known.sourced_id = listed.sourced_id)
  ) AS found
  GROUP BY line
) AS fault
WHERE staged.line = fault.line AND staged.refused IS NULL
