-- The newest applied migration, as dbmate keeps it; versions sort as text.
SELECT max(version)
FROM schema_migrations;
