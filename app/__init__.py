"""The Inkfast service: requests in, drafts and records out."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"  # as in pyproject.toml
