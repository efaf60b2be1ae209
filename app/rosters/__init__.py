"""OneRoster in and out, and the demo district."""
