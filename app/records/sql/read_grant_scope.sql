-- Who somebody is and what they teach today, by each school's own calendar day. $2: how many sections a grant can carry.
SELECT
  left(
    coalesce(u.preferred_given_name, u.given_name) || ' ' || coalesce(u.preferred_family_name, u.family_name), 120
  ) AS name,
  ARRAY(
    SELECT DISTINCT r.role
    FROM user_role r JOIN org o USING (org_id)
    WHERE r.user_id = u.user_id AND r.hidden_at IS NULL
      AND (clock_timestamp() AT TIME ZONE o.time_zone)::date
        BETWEEN coalesce(r.begin_date, '-infinity') AND coalesce(r.end_date, 'infinity')
    ORDER BY 1 LIMIT 10
  ) AS roles,
  -- A token has to fit into a cookie; a person with a role in more orgs than this has one in the org above them too.
  ARRAY(
    SELECT DISTINCT r.org_id
    FROM user_role r JOIN org o USING (org_id)
    WHERE r.user_id = u.user_id AND r.hidden_at IS NULL AND o.hidden_at IS NULL
      AND (clock_timestamp() AT TIME ZONE o.time_zone)::date
        BETWEEN coalesce(r.begin_date, '-infinity') AND coalesce(r.end_date, 'infinity')
    ORDER BY 1 LIMIT 200
  ) AS org_ids,
  ARRAY(
    SELECT DISTINCT e.section_id
    FROM enrollment e JOIN section s USING (section_id) JOIN org o USING (org_id)
    WHERE e.user_id = u.user_id AND e.role = 'teacher' AND e.hidden_at IS NULL AND s.hidden_at IS NULL
      AND (clock_timestamp() AT TIME ZONE o.time_zone)::date
        BETWEEN coalesce(e.begin_date, '-infinity') AND coalesce(e.end_date, 'infinity')
    ORDER BY 1 LIMIT $2::int + 1
  ) AS section_ids
FROM user_account u
WHERE u.user_id = $1 AND u.is_enabled AND u.hidden_at IS NULL
