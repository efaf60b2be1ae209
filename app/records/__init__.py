"""PostgreSQL: what is recorded."""
