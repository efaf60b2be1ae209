-- Columns that were made or changed by an edit of kind line_item.
INSERT INTO line_item AS l (
  section_id, line_item_id, title, description, category_id, assign_date, due_date, result_value_min,
  result_value_max, is_extra_credit, position, hidden_at
)
SELECT section_id, line_item_id, title, description, (SELECT category_id FROM category c WHERE c.category_id = v.category_id),
       assign_date::date, due_date::date, low::numeric, high::numeric, is_extra_credit, position,
       CASE WHEN is_hidden THEN clock_timestamp() END
FROM unnest(
  $1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[],
  $10::boolean[], $11::int[], $12::boolean[]
) AS v (
  section_id, line_item_id, title, description, category_id, assign_date, due_date, low, high, is_extra_credit,
  position, is_hidden
)
ON CONFLICT (section_id, line_item_id) DO UPDATE
SET title = EXCLUDED.title, description = EXCLUDED.description, category_id = EXCLUDED.category_id,
    assign_date = EXCLUDED.assign_date, due_date = EXCLUDED.due_date, result_value_min = EXCLUDED.result_value_min,
    result_value_max = EXCLUDED.result_value_max, is_extra_credit = EXCLUDED.is_extra_credit,
    position = EXCLUDED.position, hidden_at = EXCLUDED.hidden_at;
