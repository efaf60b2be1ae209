-- A held run that a person has approved, and the run that did what it was held for.
UPDATE roster_import SET report = report || jsonb_build_object('approved_as', $2::bigint) WHERE roster_import_id = $1
