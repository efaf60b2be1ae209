-- Ends a run with its report.
UPDATE roster_import SET outcome = $2, report = $3::jsonb, finished_at = clock_timestamp() WHERE roster_import_id = $1
