-- Sets the parents that were not there yet when their children were merged.
UPDATE org AS child SET parent_org_id = parent.org_id
FROM roster_stage.org AS staged JOIN org AS parent ON parent.sourced_id = staged.parent_sourced_id
WHERE child.sourced_id = staged.sourced_id AND staged.refused IS NULL AND NOT staged.is_deleted
  AND child.parent_org_id IS DISTINCT FROM parent.org_id
