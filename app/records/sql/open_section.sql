-- All of a section in one question, and of one moment: what a teacher who opens it is shown, and what its rules are.
-- $2: authors whose names are wanted too. $3: with its cells. $4: with who teaches it today, the primary teacher first.
-- Who is enrolled is looked up once, by the section alone: by role, it would be everybody in the district.
WITH enrolled AS MATERIALIZED (
  SELECT * FROM enrollment WHERE section_id = $1::bigint
)
SELECT s.section_id, s.title, s.school_year, s.class_code, s.periods, s.location, c.title AS course_title,
       o.org_id, o.name AS org_name, o.time_zone, s.hidden_at IS NOT NULL AS is_hidden,
       students.found AS students, line_items.found AS line_items, reserved.found AS reserved,
       conflicts.found AS conflicts, names.found AS names, teachers.found AS teachers,
       cells.kinds, cells.items, cells.students AS cell_students, cells.versions, cells.edit_ids, cells.authors,
       cells.moments, cells.cell_values, parked.found AS parked,
       (SELECT incarnation FROM installation) AS incarnation
FROM section AS s
JOIN course AS c USING (course_id)
JOIN org AS o ON o.org_id = s.org_id
CROSS JOIN LATERAL (
  -- In any order. date_part: a double holds milliseconds exactly for the next 200,000 years, and is no numeric.
  SELECT array_agg(cell.kind) AS kinds, array_agg(cell.item) AS items, array_agg(cell.student_id) AS students,
         array_agg(cell.cell_version) AS versions, array_agg(uuid_send(cell.edit_id)) AS edit_ids,
         array_agg(cell.author_id) AS authors,
         array_agg((date_part('epoch', cell.entered_at) * 1000)::bigint) AS moments,
         array_agg(cell.value::text) AS cell_values
  FROM cell
  WHERE cell.section_id = $1::bigint AND $3::boolean
) AS cells
CROSS JOIN LATERAL (
  -- As in read_parked_edits.sql.
  SELECT json_agg(json_build_array(json_build_array(edit.kind, edit.item, edit.student_id), edit.edit_id, edit.base_id,
                                   edit.author_id, edit.entered_ms, edit.value)) AS found
  FROM (
    SELECT e.kind, e.item, e.student_id, e.edit_id, e.base_id, e.author_id,
           (extract(epoch FROM e.entered_at) * 1000)::bigint AS entered_ms, e.value::text AS value
    FROM parked_edit AS p
    JOIN edit_log AS e USING (school_year, section_id, edit_id)
    WHERE p.section_id = $1::bigint AND $3::boolean
    ORDER BY e.recorded_at, e.client_id, e.client_seq
  ) AS edit
) AS parked
CROSS JOIN LATERAL (
  SELECT json_agg(student) AS found
  FROM (
    SELECT u.user_id AS student_id, coalesce(u.preferred_given_name, u.given_name) AS given_name,
           coalesce(u.preferred_family_name, u.family_name) AS family_name, u.identifier, u.grades,
           bool_or(e.hidden_at IS NULL AND u.hidden_at IS NULL
                   AND (clock_timestamp() AT TIME ZONE o.time_zone)::date
                     BETWEEN coalesce(e.begin_date, '-infinity') AND coalesce(e.end_date, 'infinity')) AS is_active
    FROM enrolled AS e
    JOIN user_account AS u USING (user_id)
    WHERE e.role = 'student'
    GROUP BY u.user_id
    ORDER BY family_name, given_name, u.user_id
  ) AS student
) AS students
CROSS JOIN LATERAL (
  SELECT json_agg(line_item) AS found
  FROM (
    SELECT l.line_item_id, l.title, l.description, l.category_id, k.title AS category_title, l.academic_session_id,
           a.title AS grading_period, l.assign_date, l.due_date, l.result_value_min::text, l.result_value_max::text,
           l.is_extra_credit, l.position, l.hidden_at IS NOT NULL AS is_hidden
    FROM line_item AS l
    LEFT JOIN category AS k USING (category_id)
    LEFT JOIN academic_session AS a ON a.academic_session_id = l.academic_session_id
    WHERE l.section_id = $1::bigint
    ORDER BY l.position, l.due_date NULLS LAST, l.line_item_id
  ) AS line_item
) AS line_items
CROSS JOIN LATERAL (
  SELECT array_agg(r.line_item_id ORDER BY r.line_item_id) AS found
  FROM line_item_reservation AS r
  WHERE r.section_id = $1::bigint
    AND NOT EXISTS (
      SELECT FROM line_item AS l WHERE l.section_id = r.section_id AND l.line_item_id = r.line_item_id
    )
) AS reserved
CROSS JOIN LATERAL (
  SELECT json_agg(conflict) AS found, array_agg(conflict.author_id) AS authors
  FROM (
    SELECT e.kind, e.item, e.student_id, e.edit_id, e.author_id, e.value,
           (extract(epoch FROM e.entered_at) * 1000)::bigint AS entered_ms
    FROM edit_log AS e
    WHERE e.school_year = s.school_year AND e.section_id = $1::bigint AND e.status = 'C'
    ORDER BY e.recorded_at
  ) AS conflict
) AS conflicts
CROSS JOIN LATERAL (
  SELECT json_object_agg(
           u.user_id,
           coalesce(u.preferred_given_name, u.given_name) || ' ' || coalesce(u.preferred_family_name, u.family_name)
         ) AS found
  FROM user_account AS u
  WHERE u.user_id IN (
    SELECT unnest($2::bigint[])
    UNION
    SELECT unnest(cells.authors)
    UNION
    SELECT unnest(conflicts.authors)
    UNION
    SELECT e.user_id FROM enrolled AS e WHERE e.role = 'teacher' AND e.hidden_at IS NULL
  )
) AS names
CROSS JOIN LATERAL (
  SELECT json_agg(json_build_array(teacher.user_id, teacher.name)) AS found
  FROM (
    SELECT u.user_id, coalesce(u.preferred_given_name, u.given_name) || ' '
             || coalesce(u.preferred_family_name, u.family_name) AS name
    FROM enrolled AS e
    JOIN user_account AS u USING (user_id)
    WHERE $4::boolean AND e.role = 'teacher' AND e.hidden_at IS NULL AND u.hidden_at IS NULL
      AND (clock_timestamp() AT TIME ZONE o.time_zone)::date
        BETWEEN coalesce(e.begin_date, '-infinity') AND coalesce(e.end_date, 'infinity')
    GROUP BY u.user_id
    ORDER BY bool_or(e.is_primary) DESC, u.family_name, u.user_id
  ) AS teacher
) AS teachers
WHERE s.section_id = $1::bigint;
