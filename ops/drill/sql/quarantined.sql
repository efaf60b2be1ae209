-- What was set aside and nobody has looked at yet, as it came.
SELECT encode(raw, 'hex') FROM edit_quarantine WHERE code = ANY ($1::text[]) AND settled_at IS NULL
