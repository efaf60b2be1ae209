-- A district for `inkfast bench`: psql -v sections=N -v columns=N. Section s has 24 to 36 students and its own columns.
SELECT ensure_school_year(2026::smallint);
INSERT INTO org (org_id, sourced_id, name, type) VALUES (1, 'o1', 'North School', 'school');
INSERT INTO course (course_id, sourced_id, title, org_id) VALUES (1, 'c1', 'Algebra', 1);
INSERT INTO section (section_id, sourced_id, title, course_id, org_id, school_year)
  SELECT s, 's' || s, 'Algebra ' || s, 1, 1, 2026 FROM generate_series(1, :sections) AS s;
INSERT INTO user_account (user_id, sourced_id, username, given_name, family_name)
  SELECT u, 'u' || u, 'user' || u, 'Given' || u, 'Family' || u FROM generate_series(1000001, 1003000) AS u;
INSERT INTO enrollment (section_id, sourced_id, user_id, role)
  SELECT s, 'e' || s || '-' || n, 1000001 + (s * 31 + n) % 3000, 'student'
  FROM generate_series(1, :sections) AS s, generate_series(0, 23 + s * 5 % 13) AS n;
INSERT INTO line_item (section_id, line_item_id, title, result_value_max)
  SELECT s, s * 100 + n, 'Quiz ' || n, 100 FROM generate_series(1, :sections) AS s, generate_series(0, :columns - 1) AS n;
ANALYZE;
