-- The school of the rehearsal and its course; made once. Names begin with "Rehearsal", which the generator looks for.
WITH school AS (
  INSERT INTO org (sourced_id, name, type) VALUES ('rehearsal', 'Rehearsal school', 'school')
  ON CONFLICT (sourced_id) DO UPDATE SET hidden_at = NULL
  RETURNING org_id
)
INSERT INTO course (sourced_id, title, org_id) SELECT 'rehearsal', 'Rehearsal', org_id FROM school
ON CONFLICT (sourced_id) DO UPDATE SET hidden_at = NULL
RETURNING course_id, org_id
