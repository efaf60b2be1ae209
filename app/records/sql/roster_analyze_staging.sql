-- The planner must know how much has been staged.
ANALYZE roster_stage.file, roster_stage.org, roster_stage.academic_session, roster_stage.course,
  roster_stage.user_account, roster_stage.user_role, roster_stage.section, roster_stage.enrollment,
  roster_stage.category, roster_stage.line_item, roster_stage.result
