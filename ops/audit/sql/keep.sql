-- One check, in place of the braces: all that breaks the invariant is kept for the totals (count_broken.sql), on the server's
-- disk and not in the auditor's memory; ten of them are named.
WITH broken AS MATERIALIZED (
{check}
), kept AS (
  INSERT INTO audit_broken (category, section_id, edit_id) SELECT $1, section_id, edit_id FROM broken
)
SELECT (SELECT count(*) FROM broken) AS total, section_id, edit_id, detail FROM broken LIMIT 10
