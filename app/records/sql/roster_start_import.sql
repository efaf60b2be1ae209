-- Begins a run.
INSERT INTO roster_import (source, source_digest) VALUES ($1, $2) RETURNING roster_import_id
