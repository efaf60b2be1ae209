-- Refuses users whose name, in any case of letters, another row has first, or another user who keeps it. Repeat until
-- nothing more is refused: a refused row keeps its old name.
UPDATE roster_stage.user_account AS staged SET refused = 'username_taken', reason = fault.reason
FROM (
  SELECT line, min(reason) AS reason
  FROM (
    SELECT line, format('username "%s" is also in line %s', username, first_line) AS reason
    FROM (
      SELECT line, username, min(line) OVER (PARTITION BY lower(username)) AS first_line
      FROM roster_stage.user_account WHERE refused IS NULL AND NOT is_deleted
    ) AS named
    WHERE line > first_line
    UNION ALL
    SELECT staged.line, format(
      'username "%s" belongs to the user with sourcedId "%s"%s', staged.username, holder.sourced_id,
      CASE WHEN holder.hidden_at IS NOT NULL THEN format(', who left on %s', holder.hidden_at::date) END)
    FROM roster_stage.user_account AS staged
    JOIN user_account AS holder
      ON lower(holder.username) = lower(staged.username) AND holder.sourced_id <> staged.sourced_id
    WHERE staged.refused IS NULL AND NOT staged.is_deleted
      AND NOT EXISTS (
        SELECT FROM roster_stage.user_account AS renamed
        WHERE renamed.sourced_id = holder.sourced_id AND renamed.refused IS NULL AND NOT renamed.is_deleted
          AND lower(renamed.username) <> lower(holder.username))
  ) AS found
  GROUP BY line
) AS fault
WHERE staged.line = fault.line AND staged.refused IS NULL
