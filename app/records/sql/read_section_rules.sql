-- What may be typed into some sections, in one question. A section that there is not has no row.
SELECT s.section_id, s.school_year, students.ids AS students, line_items.ids AS line_items,
       line_items.lows, line_items.highs, line_items.extra_credit, reserved.ids AS reserved
FROM section AS s
CROSS JOIN LATERAL (
  SELECT array_agg(DISTINCT e.user_id) AS ids
  FROM enrollment AS e
  WHERE e.section_id = s.section_id AND e.role = 'student'
) AS students
CROSS JOIN LATERAL (
  SELECT array_agg(l.line_item_id) AS ids, array_agg(l.result_value_min) AS lows,
         array_agg(l.result_value_max) AS highs, array_agg(l.is_extra_credit) AS extra_credit
  FROM line_item AS l
  WHERE l.section_id = s.section_id
) AS line_items
CROSS JOIN LATERAL (
  SELECT array_agg(r.line_item_id) AS ids
  FROM line_item_reservation AS r
  WHERE r.section_id = s.section_id
    AND NOT EXISTS (
      SELECT FROM line_item AS l WHERE l.section_id = r.section_id AND l.line_item_id = r.line_item_id
    )
) AS reserved
WHERE s.section_id = ANY($1::bigint[]);
