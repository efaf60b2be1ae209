-- Users may swap names, or one take the name that another gives up. Those who give one up get a name for the moment
-- that nobody else can have, so that the unique index sees no clash half way.
UPDATE user_account AS holder SET username = 'renamed/' || holder.user_id
FROM roster_stage.user_account AS own, roster_stage.user_account AS taker
WHERE own.sourced_id = holder.sourced_id AND own.refused IS NULL AND NOT own.is_deleted
  AND lower(own.username) <> lower(holder.username)
  AND taker.refused IS NULL AND NOT taker.is_deleted AND taker.sourced_id <> holder.sourced_id
  AND lower(taker.username) = lower(holder.username)
