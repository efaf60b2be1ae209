-- Refuses orgs whose id is used twice, or whose parent is not there. Repeat until nothing more is refused.
UPDATE roster_stage.org AS staged SET refused = fault.code, reason = fault.reason
FROM (
  SELECT line, min(code) AS code, string_agg(reason, '; ' ORDER BY reason) AS reason
  FROM (
    SELECT line, 'duplicate_sourced_id' AS code,
      format('sourcedId "%s" is in %s lines of the file, first in line %s', sourced_id, twice.lines,
        twice.first) AS reason
    FROM roster_stage.org JOIN (
      SELECT sourced_id, count(*) AS lines, min(line) AS first FROM roster_stage.org
      WHERE sourced_id IS NOT NULL GROUP BY sourced_id HAVING count(*) > 1
    ) AS twice USING (sourced_id)
    UNION ALL
    SELECT DISTINCT staged.line, 'missing_target', format('parentSourcedId "%s": %s', staged.parent_sourced_id,
      CASE WHEN target.line IS NULL THEN 'there is no such org' ELSE 'its row in orgs.csv is refused' END)
    FROM roster_stage.org AS staged
    LEFT JOIN roster_stage.org AS target
      ON target.sourced_id = staged.parent_sourced_id AND target.refused IS NOT NULL
    WHERE staged.refused IS NULL AND NOT staged.is_deleted AND staged.parent_sourced_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_stage.known_org AS known WHERE known.sourced_id = staged.parent_sourced_id)
  ) AS found
  GROUP BY line
) AS fault
WHERE staged.line = fault.line AND staged.refused IS NULL
