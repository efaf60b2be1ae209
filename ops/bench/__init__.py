"""`inkfast bench`: the save path and the flusher against plain alternatives. Begin with command.py."""
