-- The account of a user name, for comparing a password. Names differ by more than case.
SELECT user_id, password_hash, is_enabled AND hidden_at IS NULL AS is_enabled
FROM user_account
WHERE lower(username) = lower($1)
