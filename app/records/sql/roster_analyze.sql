-- After a large import the service's own statements need good plans at once, not at the next autovacuum.
ANALYZE org, academic_session, course, section, section_academic_session, user_account, user_role, enrollment,
  category,
  line_item, cell
