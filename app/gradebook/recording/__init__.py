"""From edits to rows: PostgreSQL judges a batch and writes it, whether it comes through the journal or directly."""
