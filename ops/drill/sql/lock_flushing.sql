-- No flusher can commit while this is held; reading and the rest of PostgreSQL go on.
LOCK TABLE flush_partition IN ACCESS EXCLUSIVE MODE;
