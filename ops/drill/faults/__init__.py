"""What drills break, by what it happens to. Each file ends with its list, DRILLS."""
