"""The environment as it was given to the command: read here only, and passed on to the processes that it starts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def environment() -> Mapping[str, str]:
    """Return a copy of this process's environment."""
    return dict(os.environ)  # noqa: TID251 -- the one reader outside app/settings.py
