-- Refuses enrollments whose id is used twice, that end before they begin, or that refer to what is not there.
UPDATE roster_stage.enrollment AS staged SET refused = fault.code, reason = fault.reason
FROM (
  SELECT line, min(code) AS code, string_agg(reason, '; ' ORDER BY reason) AS reason
  FROM (
    SELECT line, 'duplicate_sourced_id' AS code,
      format('sourcedId "%s" is in %s lines of the file, first in line %s', sourced_id, twice.lines, twice.first) AS reason
    FROM roster_stage.enrollment JOIN (
      SELECT sourced_id, count(*) AS lines, min(line) AS first FROM roster_stage.enrollment
      WHERE sourced_id IS NOT NULL GROUP BY sourced_id HAVING count(*) > 1
    ) AS twice USING (sourced_id)
    UNION ALL
    SELECT line, 'missing_target', format('classSourcedId "%s": there is no such class', staged.section_sourced_id)
    FROM roster_stage.enrollment AS staged
    WHERE refused IS NULL AND NOT is_deleted AND section_sourced_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_stage.known_section AS known WHERE known.sourced_id = staged.section_sourced_id)
    UNION ALL
    SELECT line, 'missing_target', format('userSourcedId "%s": there is no such user', staged.user_sourced_id)
    FROM roster_stage.enrollment AS staged
    WHERE refused IS NULL AND NOT is_deleted AND user_sourced_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_stage.known_user AS known WHERE known.sourced_id = staged.user_sourced_id)
    UNION ALL
    SELECT line, 'missing_target', format('schoolSourcedId "%s": there is no such org', staged.org_sourced_id)
    FROM roster_stage.enrollment AS staged
    WHERE refused IS NULL AND NOT is_deleted AND org_sourced_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_stage.known_org AS known WHERE known.sourced_id = staged.org_sourced_id)
    UNION ALL
    SELECT line, 'dates', format('endDate %s is before beginDate %s', end_date, begin_date)
    FROM roster_stage.enrollment WHERE end_date < begin_date
  ) AS found
  GROUP BY line
) AS fault
WHERE staged.line = fault.line AND staged.refused IS NULL
