-- Announce maintenance, or its end (an end in the past). What was said later than this stays.
INSERT INTO maintenance_notice (until_at, reason, time_zone, changed_at)
VALUES (to_timestamp($1::bigint / 1000.0), $2, $3, to_timestamp($4::bigint / 1000.0))
ON CONFLICT (is_only) DO UPDATE
SET until_at = excluded.until_at, reason = excluded.reason, time_zone = excluded.time_zone,
    changed_at = excluded.changed_at
WHERE maintenance_notice.changed_at <= excluded.changed_at;
