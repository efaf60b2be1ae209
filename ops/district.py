"""Who is in the district of a new installation: a OneRoster folder, or a demo."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
from typing import TYPE_CHECKING

from ops.processes import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ops.installation import Installation

DEMO = "app.rosters.demo"  # imported by name: it is needed on the first start only
SEED = 20141104  # the demo is the same everywhere
EXIT_ROWS_REFUSED = 3  # `inkfast roster import`: imported, and some rows were refused


def load_district(
    installation: Installation,
    child_environment: Mapping[str, str],
    roster: Path | None,
    teachers: int,
    say: Callable[[str], None],
) -> list[str]:
    """Load what is not there yet, and return the lines to print about who can sign in.

    A roster is imported on every start that names it (the import writes what has changed); a demo once.
    """
    if roster is not None:
        _import_roster(child_environment, roster)
        installation.write(district=str(roster))
    elif teachers and "district" not in installation.read():
        say(f"loading a demo district with {teachers} teachers …")
        load = importlib.import_module(DEMO).load_demo_district
        asyncio.run(load(child_environment["DATABASE_URL"], teachers=teachers, seed=SEED, progress=say))
        installation.write(district="demo")
    return _demo_accounts() if installation.read().get("district") == "demo" else []


def _import_roster(child_environment: Mapping[str, str], roster: Path) -> None:
    command = [sys.executable, "-m", "ops.cli", "roster", "import", str(roster)]
    done = subprocess.run(command, env=dict(child_environment), check=False)
    if done.returncode not in {0, EXIT_ROWS_REFUSED}:
        raise ServerError(f"the roster in {roster} was not imported; what is wrong with it is said above")


def _demo_accounts() -> list[str]:
    password = importlib.import_module(DEMO).PASSWORD
    return [f"sign in as teacher1, teacher2, … or office1, with the password {password}"]
