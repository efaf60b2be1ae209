-- A score above the maximum is extra credit, and the line item says so; unless its teacher has defined it ($1: the
-- kind).
UPDATE line_item AS target SET is_extra_credit = true
FROM (
  SELECT DISTINCT line_item.section_id, line_item.line_item_id
  FROM roster_stage.result AS staged JOIN line_item ON line_item.sourced_id = staged.line_item_sourced_id
  WHERE staged.refused IS NULL AND NOT staged.is_deleted AND staged.score::numeric > line_item.result_value_max
) AS above
WHERE target.section_id = above.section_id AND target.line_item_id = above.line_item_id AND NOT target.is_extra_credit
  AND NOT EXISTS (
    SELECT FROM cell
    WHERE cell.section_id = target.section_id AND cell.kind = $1::smallint AND cell.item = target.line_item_id
      AND cell.student_id = 0)
