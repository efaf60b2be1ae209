-- Refuses sections whose id is used twice, or that refer to what is not there.
UPDATE roster_stage.section AS staged SET refused = fault.code, reason = fault.reason
FROM (
  SELECT line, min(code) AS code, string_agg(reason, '; ' ORDER BY reason) AS reason
  FROM (
    SELECT line, 'duplicate_sourced_id' AS code,
      format('sourcedId "%s" is in %s lines of the file, first in line %s', sourced_id, twice.lines, twice.first) AS reason
    FROM roster_stage.section JOIN (
      SELECT sourced_id, count(*) AS lines, min(line) AS first FROM roster_stage.section
      WHERE sourced_id IS NOT NULL GROUP BY sourced_id HAVING count(*) > 1
    ) AS twice USING (sourced_id)
    UNION ALL
    SELECT line, 'missing_target', format('courseSourcedId "%s": there is no such course', staged.course_sourced_id)
    FROM roster_stage.section AS staged
    WHERE refused IS NULL AND NOT is_deleted AND course_sourced_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_stage.known_course AS known WHERE known.sourced_id = staged.course_sourced_id)
    UNION ALL
    SELECT line, 'missing_target', format('schoolSourcedId "%s": there is no such org', staged.org_sourced_id)
    FROM roster_stage.section AS staged
    WHERE refused IS NULL AND NOT is_deleted AND org_sourced_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_stage.known_org AS known WHERE known.sourced_id = staged.org_sourced_id)
    UNION ALL
    SELECT DISTINCT line, 'missing_target', format('termSourcedIds "%s": there is no such academic session', listed.sourced_id)
    FROM roster_stage.section AS staged CROSS JOIN unnest(staged.term_sourced_ids) AS listed (sourced_id)
    WHERE refused IS NULL AND NOT is_deleted
      AND NOT EXISTS (SELECT FROM roster_stage.known_academic_session AS known WHERE known.sourced_id = listed.sourced_id)
  ) AS found
  GROUP BY line
) AS fault
WHERE staged.line = fault.line AND staged.refused IS NULL
