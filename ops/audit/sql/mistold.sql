-- I5: the author was told something else than what became of the edit. Between conflict, rejected and applied the last word
-- counts: what a journal has judged may be judged anew where it was lost, or was gone past.
SELECT e.section_id, e.edit_id,
       'told ' || array_to_string(e.outcomes, ', ') || '; it was '
         || CASE s.status WHEN 'A' THEN 'applied' WHEN 'R' THEN 'rejected' WHEN 'Q' THEN 'quarantined' ELSE 'a conflict' END
         AS detail
FROM audit_edit AS e JOIN audit_stored AS s USING (section_id, edit_id)
WHERE CASE s.status
        WHEN 'A' THEN e.last_told IN ('conflict', 'rejected', 'quarantined')
        WHEN 'R' THEN 'recorded' = ANY (e.outcomes) OR e.last_told IN ('conflict', 'quarantined')
        WHEN 'Q' THEN 'recorded' = ANY (e.outcomes) OR e.last_told = 'conflict'
        ELSE 'recorded' = ANY (e.outcomes) OR e.last_told IN ('rejected', 'quarantined')
      END
