"""The Inkfast service: requests in, drafts and records out."""
