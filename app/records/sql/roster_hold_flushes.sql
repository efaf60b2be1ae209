-- While results are recorded no flush is under way: whoever writes cells holds the lease of their partition.
SELECT count(*) FROM (SELECT 1 FROM flush_partition ORDER BY partition_id FOR UPDATE) AS held
