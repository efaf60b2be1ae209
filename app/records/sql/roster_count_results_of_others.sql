-- Results of people who are not students of the section: kept, and on no screen.
SELECT count(*)
FROM roster_stage.result AS staged
JOIN line_item ON line_item.sourced_id = staged.line_item_sourced_id
JOIN user_account AS student ON student.sourced_id = staged.student_sourced_id
WHERE staged.refused IS NULL AND NOT staged.is_deleted
  AND NOT EXISTS (
    SELECT FROM enrollment
    WHERE enrollment.section_id = line_item.section_id AND enrollment.user_id = student.user_id
      AND enrollment.role = 'student')
