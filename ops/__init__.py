"""The `inkfast` command: servers, checks, drills, audits."""
