-- I5: the author was told something else than what became of the edit.
SELECT count(*) OVER () AS total, e.section_id, e.edit_id,
       'told ' || array_to_string(e.outcomes, ', ') || '; it was '
         || CASE s.status WHEN 'A' THEN 'applied' WHEN 'R' THEN 'rejected' WHEN 'Q' THEN 'quarantined' ELSE 'a conflict' END
         AS detail
FROM audit_edit AS e JOIN audit_stored AS s USING (section_id, edit_id)
WHERE CASE s.status
        WHEN 'A' THEN e.outcomes && ARRAY['conflict', 'rejected', 'quarantined']
        WHEN 'R' THEN e.outcomes && ARRAY['conflict', 'recorded', 'quarantined']
        WHEN 'Q' THEN e.outcomes && ARRAY['conflict', 'recorded']
        ELSE e.outcomes && ARRAY['rejected', 'recorded', 'quarantined']
      END
LIMIT 10
