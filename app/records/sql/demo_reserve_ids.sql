-- A block of $2 ids of the sequence $1; the answer is the first.
SELECT setval($1::text::regclass, nextval($1::text::regclass) + $2::bigint - 1) - $2::bigint + 1
