"""Valkey/Redis: the journal of edits that are drafted and not yet recorded."""
