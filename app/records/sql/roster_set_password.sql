-- Gives an account a password hash.
UPDATE user_account SET password_hash = $2 WHERE lower(username) = lower($1) RETURNING user_id
