"""`inkfast rehearse`: the district typing at a service, measured, audited and judged. Begin with command.py."""
