-- A right password pays the debt.
DELETE FROM sign_in_allowance
WHERE subject_digest = $1
