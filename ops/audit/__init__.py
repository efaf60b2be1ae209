"""`inkfast audit`: what clients typed against what is stored. Begin with command.py."""
