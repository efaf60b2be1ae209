-- What the package says of one file.
INSERT INTO roster_stage.file (name, mode) VALUES ($1, $2)
