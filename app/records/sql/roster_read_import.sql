-- One run.
SELECT roster_import_id, source, source_digest, started_at, finished_at, outcome, report::text AS report
FROM roster_import WHERE roster_import_id = $1
