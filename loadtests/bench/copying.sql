-- Where the bare COPY goes: edit_log's columns without any index or constraint, and a cell with its key.
CREATE TABLE IF NOT EXISTS copied_history (LIKE edit_log);
CREATE TABLE IF NOT EXISTS copied_cell (LIKE cell INCLUDING ALL) WITH (fillfactor = 70);
