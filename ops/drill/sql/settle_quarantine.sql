-- The office has looked at what a drill planted.
UPDATE edit_quarantine SET settled_at = clock_timestamp()
WHERE code = ANY ($1::text[]) AND settled_at IS NULL
RETURNING quarantine_id::text
