-- Flushers that hold partitions now.
SELECT DISTINCT owner::text FROM flush_partition WHERE owner IS NOT NULL AND lease_until > clock_timestamp()
