-- Refuses line items whose id is used twice, that refer to what is not there, whose maximum is below the minimum, or
-- that have moved to another section: their grades stay where they were entered.
UPDATE roster_stage.line_item AS staged SET refused = fault.code, reason = fault.reason
FROM (
  SELECT line, min(code) AS code, string_agg(reason, '; ' ORDER BY reason) AS reason
  FROM (
    SELECT line, 'duplicate_sourced_id' AS code,
      format('sourcedId "%s" is in %s lines of the file, first in line %s', sourced_id, twice.lines,
        twice.first) AS reason
    FROM roster_stage.line_item JOIN (
      SELECT sourced_id, count(*) AS lines, min(line) AS first FROM roster_stage.line_item
      WHERE sourced_id IS NOT NULL GROUP BY sourced_id HAVING count(*) > 1
    ) AS twice USING (sourced_id)
    UNION ALL
    SELECT DISTINCT staged.line, 'missing_target', format('classSourcedId "%s": %s', staged.section_sourced_id,
      CASE WHEN target.line IS NULL THEN 'there is no such class' ELSE 'its row in classes.csv is refused' END)
    FROM roster_stage.line_item AS staged
    LEFT JOIN roster_stage.section AS target
      ON target.sourced_id = staged.section_sourced_id AND target.refused IS NOT NULL
    WHERE staged.refused IS NULL AND NOT staged.is_deleted AND staged.section_sourced_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_stage.known_section AS known
        WHERE known.sourced_id = staged.section_sourced_id)
    UNION ALL
    SELECT DISTINCT staged.line, 'missing_target', format('categorySourcedId "%s": %s', staged.category_sourced_id,
      CASE WHEN target.line IS NULL THEN 'there is no such category' ELSE 'its row in categories.csv is refused' END)
    FROM roster_stage.line_item AS staged
    LEFT JOIN roster_stage.category AS target
      ON target.sourced_id = staged.category_sourced_id AND target.refused IS NOT NULL
    WHERE staged.refused IS NULL AND NOT staged.is_deleted AND staged.category_sourced_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_stage.known_category AS known
        WHERE known.sourced_id = staged.category_sourced_id)
    UNION ALL
    SELECT DISTINCT staged.line, 'missing_target', format(
      'academicSessionSourcedId or gradingPeriodSourcedId "%s": %s', staged.academic_session_sourced_id,
      CASE WHEN target.line IS NULL THEN 'there is no such academic session'
        ELSE 'its row in academicSessions.csv is refused' END)
    FROM roster_stage.line_item AS staged
    LEFT JOIN roster_stage.academic_session AS target
      ON target.sourced_id = staged.academic_session_sourced_id AND target.refused IS NOT NULL
    WHERE staged.refused IS NULL AND NOT staged.is_deleted AND staged.academic_session_sourced_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_stage.known_academic_session AS known
        WHERE known.sourced_id = staged.academic_session_sourced_id)
    UNION ALL
    SELECT line, 'range', format('resultValueMax %s is below resultValueMin %s', result_value_max, result_value_min)
    FROM roster_stage.line_item WHERE result_value_max::numeric < coalesce(result_value_min, '0')::numeric
    UNION ALL
    SELECT staged.line, 'line_item_moved',
      format('classSourcedId "%s": this line item belongs to class "%s"', staged.section_sourced_id,
        section.sourced_id)
    FROM roster_stage.line_item AS staged
    JOIN line_item ON line_item.sourced_id = staged.sourced_id
    JOIN section ON section.section_id = line_item.section_id
    WHERE staged.section_sourced_id <> section.sourced_id
  ) AS found
  GROUP BY line
) AS fault
WHERE staged.line = fault.line AND staged.refused IS NULL
