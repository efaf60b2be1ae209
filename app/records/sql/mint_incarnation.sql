-- After a backup was put back: a new history begins.
UPDATE installation SET incarnation = gen_random_uuid(), minted_at = clock_timestamp() RETURNING incarnation;
