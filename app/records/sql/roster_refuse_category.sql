-- Refuses categories whose id is used twice.
UPDATE roster_stage.category AS staged SET refused = fault.code, reason = fault.reason
FROM (
  SELECT line, min(code) AS code, string_agg(reason, '; ' ORDER BY reason) AS reason
  FROM (
    SELECT line, 'duplicate_sourced_id' AS code,
      format('sourcedId "%s" is in %s lines of the file, first in line %s', sourced_id, twice.lines,
        twice.first) AS reason
    FROM roster_stage.category JOIN (
      SELECT sourced_id, count(*) AS lines, min(line) AS first FROM roster_stage.category
      WHERE sourced_id IS NOT NULL GROUP BY sourced_id HAVING count(*) > 1
    ) AS twice USING (sourced_id)
  ) AS found
  GROUP BY line
) AS fault
WHERE staged.line = fault.line AND staged.refused IS NULL
