-- How many flushers are alive.
SELECT count(*)::int AS flushers FROM flusher WHERE seen_until >= clock_timestamp();
