-- After the tables have been filled.
CREATE INDEX ON audit_edit (edit_id);
CREATE INDEX ON audit_stored (edit_id);
CREATE INDEX ON audit_journal_edit (edit_id);
ANALYZE audit_typed; ANALYZE audit_edit; ANALYZE audit_stored; ANALYZE audit_shown; ANALYZE audit_outcome;
ANALYZE audit_journal_edit; ANALYZE audit_journal_mark; ANALYZE audit_journal_head; ANALYZE audit_journal_client;
