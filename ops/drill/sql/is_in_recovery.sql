-- Whether the server still replays its log.
SELECT pg_is_in_recovery()::text
