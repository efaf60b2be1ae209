-- Sets the parents that were not there yet when their children were merged.
UPDATE academic_session AS child SET parent_academic_session_id = parent.academic_session_id
FROM roster_stage.academic_session AS staged
JOIN academic_session AS parent ON parent.sourced_id = staged.parent_sourced_id
WHERE child.sourced_id = staged.sourced_id AND staged.refused IS NULL AND NOT staged.is_deleted
  AND child.parent_academic_session_id IS DISTINCT FROM parent.academic_session_id
