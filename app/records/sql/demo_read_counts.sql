-- What there is of a demo district; no row if there is none.
SELECT
  (SELECT count(*) FROM user_account WHERE sourced_id LIKE 'demo-teacher%') AS teachers,
  (SELECT count(*) FROM user_account WHERE sourced_id LIKE 'demo-student%') AS students,
  (SELECT count(*) FROM org WHERE sourced_id LIKE 'demo-school-%') AS schools,
  (SELECT count(*) FROM section WHERE sourced_id LIKE 'demo-section-%') AS sections,
  (SELECT count(*) FROM enrollment WHERE sourced_id LIKE 'demo-enrollment-%') AS enrollments,
  (SELECT count(*) FROM line_item WHERE sourced_id LIKE 'demo-item-%') AS line_items,
  (SELECT count(*) FROM cell JOIN section USING (section_id) WHERE sourced_id LIKE 'demo-section-%') AS results
FROM org
WHERE sourced_id = 'demo-district'
