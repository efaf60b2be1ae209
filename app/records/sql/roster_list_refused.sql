-- Every refused row, and every result that was not recorded because a teacher's value stands, in the order of files.
SELECT 0 AS file_number, 'orgs.csv' AS file, line, sourced_id, refused, reason FROM roster_stage.org
  WHERE refused IS NOT NULL
UNION ALL
SELECT 1 AS file_number, 'academicSessions.csv' AS file, line, sourced_id, refused, reason
  FROM roster_stage.academic_session WHERE refused IS NOT NULL
UNION ALL
SELECT 2 AS file_number, 'courses.csv' AS file, line, sourced_id, refused, reason FROM roster_stage.course
  WHERE refused IS NOT NULL
UNION ALL
SELECT 3 AS file_number, 'users.csv' AS file, line, sourced_id, refused, reason FROM roster_stage.user_account
  WHERE refused IS NOT NULL
UNION ALL
SELECT 4 AS file_number, 'roles.csv' AS file, line, sourced_id, refused, reason FROM roster_stage.user_role
  WHERE refused IS NOT NULL
UNION ALL
SELECT 5 AS file_number, 'classes.csv' AS file, line, sourced_id, refused, reason FROM roster_stage.section
  WHERE refused IS NOT NULL
UNION ALL
SELECT 6 AS file_number, 'enrollments.csv' AS file, line, sourced_id, refused, reason FROM roster_stage.enrollment
  WHERE refused IS NOT NULL
UNION ALL
SELECT 7 AS file_number, 'categories.csv' AS file, line, sourced_id, refused, reason FROM roster_stage.category
  WHERE refused IS NOT NULL
UNION ALL
SELECT 8 AS file_number, 'lineItems.csv' AS file, line, sourced_id, refused, reason FROM roster_stage.line_item
  WHERE refused IS NOT NULL
UNION ALL
SELECT 9 AS file_number, 'results.csv' AS file, line, sourced_id, refused, reason FROM roster_stage.result
  WHERE refused IS NOT NULL
ORDER BY 1, 3
