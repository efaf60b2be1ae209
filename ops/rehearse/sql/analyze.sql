-- So that the planner knows of what has just been made.
ANALYZE user_account, enrollment, section, line_item
