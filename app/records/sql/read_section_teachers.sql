-- Who teaches a section today (by its school's calendar), the primary teacher first.
SELECT u.user_id,
       coalesce(u.preferred_given_name, u.given_name) || ' ' || coalesce(u.preferred_family_name, u.family_name) AS name
FROM enrollment AS e
JOIN user_account AS u USING (user_id)
JOIN section AS s USING (section_id)
JOIN org AS o ON o.org_id = s.org_id
WHERE e.section_id = $1::bigint AND e.role = 'teacher' AND e.hidden_at IS NULL AND u.hidden_at IS NULL
  AND (clock_timestamp() AT TIME ZONE o.time_zone)::date
    BETWEEN coalesce(e.begin_date, '-infinity') AND coalesce(e.end_date, 'infinity')
GROUP BY u.user_id
ORDER BY bool_or(e.is_primary) DESC, u.family_name, u.user_id;
