"""Processes that move edits from drafts to records."""
