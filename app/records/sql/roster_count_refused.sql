-- Per file: rows refused so far, and how many of them do not even name a record.
SELECT 'orgs' AS file, count(*) AS refused, count(*) FILTER (WHERE sourced_id IS NULL) AS unnamed
FROM roster_stage.org WHERE refused IS NOT NULL
UNION ALL
SELECT 'academicSessions' AS file, count(*) AS refused, count(*) FILTER (WHERE sourced_id IS NULL) AS unnamed
FROM roster_stage.academic_session WHERE refused IS NOT NULL
UNION ALL
SELECT 'courses' AS file, count(*) AS refused, count(*) FILTER (WHERE sourced_id IS NULL) AS unnamed
FROM roster_stage.course WHERE refused IS NOT NULL
UNION ALL
SELECT 'users' AS file, count(*) AS refused, count(*) FILTER (WHERE sourced_id IS NULL) AS unnamed
FROM roster_stage.user_account WHERE refused IS NOT NULL
UNION ALL
SELECT 'roles' AS file, count(*) AS refused, count(*) FILTER (WHERE sourced_id IS NULL) AS unnamed
FROM roster_stage.user_role WHERE refused IS NOT NULL
UNION ALL
SELECT 'classes' AS file, count(*) AS refused, count(*) FILTER (WHERE sourced_id IS NULL) AS unnamed
FROM roster_stage.section WHERE refused IS NOT NULL
UNION ALL
SELECT 'enrollments' AS file, count(*) AS refused, count(*) FILTER (WHERE sourced_id IS NULL) AS unnamed
FROM roster_stage.enrollment WHERE refused IS NOT NULL
UNION ALL
SELECT 'categories' AS file, count(*) AS refused, count(*) FILTER (WHERE sourced_id IS NULL) AS unnamed
FROM roster_stage.category WHERE refused IS NOT NULL
UNION ALL
SELECT 'lineItems' AS file, count(*) AS refused, count(*) FILTER (WHERE sourced_id IS NULL) AS unnamed
FROM roster_stage.line_item WHERE refused IS NOT NULL
UNION ALL
SELECT 'results' AS file, count(*) AS refused, count(*) FILTER (WHERE sourced_id IS NULL) AS unnamed
FROM roster_stage.result WHERE refused IS NOT NULL
