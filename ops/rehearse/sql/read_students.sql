-- The rehearsal's students.
SELECT user_id FROM user_account WHERE sourced_id LIKE 'rehearsal-p-%' ORDER BY user_id
