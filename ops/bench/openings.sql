-- Cells for `inkfast bench openings`, in the first columns of every section: psql -v columns=N. Half an hour of a day of
-- the autumn for each column, as teachers enter them.
INSERT INTO cell (section_id, kind, item, student_id, cell_version, edit_id, value, author_id, entered_at)
  SELECT e.section_id, 1, e.section_id * 100 + n, e.user_id, 1, gen_random_uuid(),
         json_build_object('score', (e.user_id * 7 + n * 13) % 100)::jsonb, e.section_id,
         timestamptz '2026-09-01 20:00Z' + n * interval '2 days' + (e.user_id % 1800) * interval '1.037 seconds'
  FROM enrollment AS e, generate_series(0, :columns - 1) AS n
  WHERE e.role = 'student';
ANALYZE;
