-- The figures that need no ledger.
SELECT (SELECT count(*) FROM edit_log) AS edits_in_history, (SELECT count(*) FROM cell) AS cells,
       (SELECT count(*) FROM edit_quarantine WHERE settled_at IS NULL) AS in_quarantine,
       (SELECT count(*) FROM client_position) AS clients,
       (SELECT count(DISTINCT read_id) FROM audit_shown) AS reads
