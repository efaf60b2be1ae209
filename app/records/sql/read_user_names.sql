-- Display names of users.
SELECT user_id, coalesce(preferred_given_name, given_name) || ' ' || coalesce(preferred_family_name, family_name) AS name
FROM user_account
WHERE user_id = ANY ($1::bigint[]);
