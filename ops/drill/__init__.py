"""`inkfast drill`: things are killed on purpose, and what is stored is audited. Begin with command.py."""
