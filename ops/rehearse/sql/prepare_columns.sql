-- Columns of new sections: $2 each, of 20 points.
INSERT INTO line_item (section_id, title, result_value_max, position)
SELECT s.section_id, 'Rehearsal ' || n, 20, n
FROM unnest($1::bigint[]) AS s (section_id), generate_series(1, $2::int) AS n
