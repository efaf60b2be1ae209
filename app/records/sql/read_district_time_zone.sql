-- The time zone of the district; where there is none, of most schools.
SELECT time_zone
FROM org
WHERE hidden_at IS NULL
GROUP BY time_zone
ORDER BY bool_or(type = 'district') DESC, count(*) DESC, time_zone
LIMIT 1;
