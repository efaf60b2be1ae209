-- I6: two edits of one cell were applied in another order than their client numbered them.
SELECT section_id, edit_id,
       'number ' || client_seq || ' was applied after number ' || highest_before || ' of the same client' AS detail
FROM (
  SELECT section_id, edit_id, client_seq,
         max(client_seq) OVER (
           PARTITION BY section_id, kind, item, student_id, author_id, client_id ORDER BY cell_version
           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
         ) AS highest_before
  FROM edit_log
  WHERE status = 'A' AND path <> 'i'
) AS numbered
WHERE client_seq < highest_before
