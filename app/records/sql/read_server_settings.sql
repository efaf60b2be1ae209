-- What `inkfast doctor` looks at, as it is in force for a connection like the service's own.
SELECT name, setting
FROM pg_settings
WHERE name = ANY($1::text[]);
