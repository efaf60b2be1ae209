-- Students of the rehearsal, shared by its sections: $1 of them in all.
INSERT INTO user_account (sourced_id, username, given_name, family_name, identifier)
SELECT 'rehearsal-p-' || n, 'rehearsal-student-' || n, 'Student', 'Rehearsal ' || n, 'R' || n
FROM generate_series(1, $1::int) AS n
ON CONFLICT (sourced_id) DO NOTHING
