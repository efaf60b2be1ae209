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
QUIET_TEACHERS_MAX = 500  # a small district is loaded before anybody wonders
EXIT_ROWS_REFUSED = 3  # `inkfast roster import`: imported, and some rows were refused


def load_district(
    installation: Installation,
    child_environment: Mapping[str, str],
    roster: Path | None,
    teachers: int,
    say: Callable[[str], None],
) -> list[str]:
    """Load what is not there yet, and return the lines to print about who can sign in.

    A roster is imported on every start that names it (the import writes what has changed); one that is refused or held
    leaves the district as it was, and stops only a first start. A demo is loaded once.
    """
    if roster is not None:
        if not _import_roster(child_environment, roster) and "district" not in installation.read():
            raise ServerError(f"the roster in {roster} was not imported; what is wrong with it is said above")
        lines = ["sign in with an account that has a password: inkfast roster set-password --help"]
        installation.write(district=str(roster), accounts=lines)
    elif teachers and "district" not in installation.read():
        say(f"loading a demo district with {teachers} teachers …")
        demo = importlib.import_module(DEMO)
        progress = say if teachers > QUIET_TEACHERS_MAX else None
        asyncio.run(
            demo.load_demo_district(child_environment["DATABASE_URL"], teachers=teachers, seed=SEED, progress=progress)
        )
        lines = [f"sign in as teacher1, teacher2, … or office1, with the password {demo.PASSWORD}"]
        installation.write(district="demo", accounts=lines)
    accounts: list[str] = installation.read().get("accounts", [])
    return accounts


def _import_roster(child_environment: Mapping[str, str], roster: Path) -> bool:
    command = [sys.executable, "-m", "ops.cli", "roster", "import", str(roster)]
    done = subprocess.run(command, env=dict(child_environment), check=False)
    return done.returncode in {0, EXIT_ROWS_REFUSED}
