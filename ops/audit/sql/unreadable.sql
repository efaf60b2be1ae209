-- I10: set aside without anybody knowing whose they are.
SELECT q.section_id, q.edit_id,
       'an unreadable entry of the journal (partition ' || q.partition_id || ', ' || coalesce(q.stream_id, '-') || ') is in quarantine' AS detail
FROM edit_quarantine AS q
WHERE q.code = 'unreadable' AND q.settled_at IS NULL
