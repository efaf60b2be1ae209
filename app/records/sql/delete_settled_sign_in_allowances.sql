DELETE FROM sign_in_allowance
WHERE free_at < clock_timestamp()
