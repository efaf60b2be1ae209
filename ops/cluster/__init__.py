"""`inkfast cluster`: the stores as a district runs them, on loopback and from packages. Begin with command.py."""
