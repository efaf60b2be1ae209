-- The latest runs.
SELECT roster_import_id, source, source_digest, started_at, finished_at, outcome, report::text AS report
FROM roster_import ORDER BY roster_import_id DESC LIMIT $1
