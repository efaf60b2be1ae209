-- Replace a hash by one of the same password with this release's parameters, unless it was changed meanwhile.
UPDATE user_account
SET password_hash = $3
WHERE user_id = $1 AND password_hash = $2
