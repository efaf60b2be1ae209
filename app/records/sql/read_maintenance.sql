-- What was announced last.
SELECT
  (extract(epoch FROM until_at) * 1000)::bigint AS until_ms, reason, time_zone,
  (extract(epoch FROM changed_at) * 1000)::bigint AS changed_ms
FROM maintenance_notice;
