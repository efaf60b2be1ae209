-- One row for each edit of the ledger: what was typed, when it was sent, what its client was told, and when.
-- Acknowledged: an outcome of its own, or an answer whose drafted_seq or recorded_seq covers its number.
CREATE TEMP TABLE audit_edit AS
WITH highest AS (
  SELECT section_id, client_id, max(seq) AS seq FROM audit_typed GROUP BY section_id, client_id
), number_sent AS (
  SELECT s.section_id, s.client_id, n.seq, min(s.t) AS first_sent_at, max(s.t) AS last_sent_at, count(*) AS sends
  FROM audit_sent AS s JOIN highest AS h USING (section_id, client_id)
  CROSS JOIN LATERAL generate_series(s.first_seq, least(s.last_seq, h.seq)) AS n (seq)
  GROUP BY s.section_id, s.client_id, n.seq
), claim AS (
  SELECT a.section_id, a.client_id, a.t,
         least(greatest(a.drafted_seq, a.recorded_seq), h.seq) AS acked, least(a.recorded_seq, h.seq) AS recorded,
         coalesce(max(greatest(a.drafted_seq, a.recorded_seq)) OVER earlier, 0) AS acked_before,
         coalesce(max(a.recorded_seq) OVER earlier, 0) AS recorded_before
  FROM audit_answer AS a JOIN highest AS h USING (section_id, client_id)
  WINDOW earlier AS (PARTITION BY a.section_id, a.client_id ORDER BY a.t ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), number_acked AS (
  SELECT c.section_id, c.client_id, n.seq, min(c.t) AS t
  FROM claim AS c CROSS JOIN LATERAL generate_series(c.acked_before + 1, c.acked) AS n (seq)
  GROUP BY c.section_id, c.client_id, n.seq
), number_recorded AS (
  SELECT c.section_id, c.client_id, n.seq, min(c.t) AS t
  FROM claim AS c CROSS JOIN LATERAL generate_series(c.recorded_before + 1, c.recorded) AS n (seq)
  GROUP BY c.section_id, c.client_id, n.seq
), numbered AS (
  SELECT y.section_id, y.edit_id, min(s.first_sent_at) AS first_sent_at, max(s.last_sent_at) AS last_sent_at,
         sum(s.sends) AS sends, min(a.t) AS acked_at, min(r.t) AS recorded_at
  FROM audit_typed AS y
  LEFT JOIN number_sent AS s USING (section_id, client_id, seq)
  LEFT JOIN number_acked AS a USING (section_id, client_id, seq)
  LEFT JOIN number_recorded AS r USING (section_id, client_id, seq)
  GROUP BY y.section_id, y.edit_id
), told AS (
  SELECT section_id, edit_id, min(t) AS first_at, min(t) FILTER (WHERE outcome = 'recorded') AS recorded_at,
         min(t) FILTER (WHERE outcome IN ('conflict', 'rejected', 'quarantined')) AS refused_at,
         array_agg(DISTINCT outcome) AS outcomes,
         (array_agg(outcome ORDER BY t DESC) FILTER (WHERE outcome <> 'drafted'))[1] AS last_told
  FROM audit_outcome
  GROUP BY section_id, edit_id
), typed AS (
  SELECT DISTINCT ON (section_id, edit_id) section_id, edit_id, user_id, kind, item, student_id, base_id, value, resolves,
         entered_ms
  FROM audit_typed
  ORDER BY section_id, edit_id, t
)
SELECT y.*, n.first_sent_at, n.last_sent_at, coalesce(n.sends, 0)::int AS sends,
       least(n.acked_at, told.first_at) AS acked_at, least(n.recorded_at, told.recorded_at) AS recorded_at,
       told.refused_at, coalesce(told.outcomes, '{}') AS outcomes, told.last_told
FROM typed AS y
JOIN numbered AS n USING (section_id, edit_id)
LEFT JOIN told USING (section_id, edit_id)
