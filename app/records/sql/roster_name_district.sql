-- The installation bears the name of its district, where there is just one.
UPDATE installation SET district_name = district.name
FROM (
  SELECT min(name) AS name FROM org WHERE type = 'district' AND hidden_at IS NULL HAVING count(*) = 1
) AS district
WHERE district_name <> district.name
