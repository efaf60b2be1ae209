-- Sections of the teachers numbered $1 to $2, $3 each; those that were there are left alone.
INSERT INTO section (sourced_id, title, course_id, org_id, school_year, periods)
SELECT 'rehearsal-s-' || t || '-' || k, 'Rehearsal ' || t || ', period ' || k, $4::bigint, $5::bigint, $6::smallint, k::text
FROM generate_series($1::int, $2::int) AS t, generate_series(1, $3::int) AS k
ON CONFLICT (sourced_id) DO NOTHING
RETURNING section_id, split_part(sourced_id, '-', 3)::int AS teacher
