-- Reserve a block of column ids for a section.
INSERT INTO line_item_reservation (section_id, line_item_id)
SELECT $1::bigint, nextval('line_item_id_seq') FROM generate_series(1, $2::int)
RETURNING line_item_id;
