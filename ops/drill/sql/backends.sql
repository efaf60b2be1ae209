-- Processes of PostgreSQL that work for one program.
SELECT pid FROM pg_stat_activity WHERE application_name = $1::text ORDER BY pid
