"""Who is in the district of a new installation: a OneRoster folder, or a demo."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.rosters import demo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ops.installation import Installation

SEED = 20141104  # the demo is the same everywhere


def load(
    installation: Installation, dsn: str, roster: Path | None, teachers: int, say: Callable[[str], None]
) -> list[str]:
    """Load what is not there yet, and return the lines to print about who can sign in."""
    if roster is not None:
        return _import_roster(installation, dsn, roster, say)
    if "district" not in installation.read():
        say(f"loading a demo district with {teachers} teachers …")
        asyncio.run(demo.load_demo_district(dsn, teachers=teachers, seed=SEED, progress=say))
        installation.write(district="demo", demo_teachers=teachers)
    return []
