-- Refuses results whose id is used twice, that refer to what is not there, that name another section than their line
-- item does, that are the second for the same line item and student, or whose score is below the minimum (above the
-- maximum is extra credit).
UPDATE roster_stage.result AS staged SET refused = fault.code, reason = fault.reason
FROM (
  SELECT line, min(code) AS code, string_agg(reason, '; ' ORDER BY reason) AS reason
  FROM (
    SELECT line, 'duplicate_sourced_id' AS code,
      format('sourcedId "%s" is in %s lines of the file, first in line %s', sourced_id, twice.lines,
        twice.first) AS reason
    FROM roster_stage.result JOIN (
      SELECT sourced_id, count(*) AS lines, min(line) AS first FROM roster_stage.result
      WHERE sourced_id IS NOT NULL GROUP BY sourced_id HAVING count(*) > 1
    ) AS twice USING (sourced_id)
    UNION ALL
    SELECT DISTINCT staged.line, 'missing_target', format('lineItemSourcedId "%s": %s', staged.line_item_sourced_id,
      CASE WHEN target.line IS NULL THEN 'there is no such line item' ELSE 'its row in lineItems.csv is refused' END)
    FROM roster_stage.result AS staged
    LEFT JOIN roster_stage.line_item AS target
      ON target.sourced_id = staged.line_item_sourced_id AND target.refused IS NOT NULL
    WHERE staged.refused IS NULL AND NOT staged.is_deleted AND staged.line_item_sourced_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_stage.known_line_item AS known
        WHERE known.sourced_id = staged.line_item_sourced_id)
    UNION ALL
    SELECT DISTINCT staged.line, 'missing_target', format('studentSourcedId "%s": %s', staged.student_sourced_id,
      CASE WHEN target.line IS NULL THEN 'there is no such user' ELSE 'its row in users.csv is refused' END)
    FROM roster_stage.result AS staged
    LEFT JOIN roster_stage.user_account AS target
      ON target.sourced_id = staged.student_sourced_id AND target.refused IS NOT NULL
    WHERE staged.refused IS NULL AND NOT staged.is_deleted AND staged.student_sourced_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_stage.known_user AS known WHERE known.sourced_id = staged.student_sourced_id)
    UNION ALL
    SELECT staged.line, 'wrong_section',
      format('classSourcedId "%s": the line item is in class "%s"', staged.section_sourced_id,
        found.section_sourced_id)
    FROM roster_stage.result AS staged
    JOIN (
      SELECT sourced_id, section_sourced_id FROM roster_stage.line_item WHERE refused IS NULL
      UNION
      SELECT line_item.sourced_id, section.sourced_id FROM line_item JOIN section USING (section_id)
    ) AS found ON found.sourced_id = staged.line_item_sourced_id
    WHERE staged.section_sourced_id <> found.section_sourced_id
    UNION ALL
    SELECT line, 'second_result', format('the line item and student have another result in line %s', first_line)
    FROM (
      SELECT line, min(line) OVER (PARTITION BY line_item_sourced_id, student_sourced_id) AS first_line
      FROM roster_stage.result WHERE refused IS NULL AND NOT is_deleted
    ) AS pair
    WHERE line > first_line
    UNION ALL
    SELECT staged.line, 'score_below_minimum', format('score %s is below the minimum %s', staged.score, found.low)
    FROM roster_stage.result AS staged
    JOIN (
      SELECT sourced_id, coalesce(result_value_min, '0')::numeric AS low FROM roster_stage.line_item
        WHERE refused IS NULL
      UNION ALL
      SELECT sourced_id, result_value_min FROM line_item
      WHERE NOT EXISTS (SELECT FROM roster_stage.line_item AS other WHERE other.sourced_id = line_item.sourced_id)
    ) AS found ON found.sourced_id = staged.line_item_sourced_id
    WHERE staged.score::numeric < found.low
  ) AS found
  GROUP BY line
) AS fault
WHERE staged.line = fault.line AND staged.refused IS NULL
