-- Refuses courses whose id is used twice, or that refer to what is not there.
UPDATE roster_stage.course AS staged SET refused = fault.code, reason = fault.reason
FROM (
  SELECT line, min(code) AS code, string_agg(reason, '; ' ORDER BY reason) AS reason
  FROM (
    SELECT line, 'duplicate_sourced_id' AS code,
      format('sourcedId "%s" is in %s lines of the file, first in line %s', sourced_id, twice.lines, twice.first) AS reason
    FROM roster_stage.course JOIN (
      SELECT sourced_id, count(*) AS lines, min(line) AS first FROM roster_stage.course
      WHERE sourced_id IS NOT NULL GROUP BY sourced_id HAVING count(*) > 1
    ) AS twice USING (sourced_id)
    UNION ALL
    SELECT line, 'missing_target', format('orgSourcedId "%s": there is no such org', staged.org_sourced_id)
    FROM roster_stage.course AS staged
    WHERE refused IS NULL AND NOT is_deleted AND org_sourced_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_stage.known_org AS known WHERE known.sourced_id = staged.org_sourced_id)
    UNION ALL
    SELECT line, 'missing_target', format('schoolYearSourcedId "%s": there is no such academic session', staged.school_year_sourced_id)
    FROM roster_stage.course AS staged
    WHERE refused IS NULL AND NOT is_deleted AND school_year_sourced_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_stage.known_academic_session AS known WHERE known.sourced_id = staged.school_year_sourced_id)
  ) AS found
  GROUP BY line
) AS fault
WHERE staged.line = fault.line AND staged.refused IS NULL
