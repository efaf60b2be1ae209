"""Clocks that are set, of one process, by Debian's libfaketime."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from ops.drill.scene import AS_QUIET, Drill, MissingError, Scene, Stand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIBRARIES = Path("/usr/lib")
APT_S_MAX = 120
STEP_S = 3600


def _library() -> Path | None:
    return next(LIBRARIES.glob("*/faketime/libfaketime.so.1"), None)


def require_faketime() -> None:
    """Install Debian's libfaketime where that is possible; raise MissingError where it is not."""
    if _library() is not None:
        return
    if os.geteuid() == 0 and shutil.which("apt-get") is not None:
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "libfaketime"]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(command, check=False, timeout=APT_S_MAX, capture_output=True)
    if _library() is None:
        raise MissingError("libfaketime (Debian: apt-get install libfaketime)")


@contextlib.contextmanager
def stepped_server(binary: Path, folder: Path) -> Iterator[Path]:
    """Yield a program that starts `binary` with the clock that is written in folder/clock, now as everybody's."""
    folder.mkdir(mode=0o711)
    clock, program = folder / "clock", folder / "valkey"
    set_clock(clock, 0)
    words = {
        "LD_PRELOAD": str(_library()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    given = " ".join(f'{name}="{value}"' for name, value in words.items())
    program.write_text(f'#!/bin/sh\n{given} exec "{binary}" "$@"\n')
    program.chmod(0o755)
    yield program


def set_clock(path: Path, seconds: int) -> None:
    """Let the clock be so much ahead, or behind, from the next look at it."""
    unfinished = path.with_suffix(".new")
    unfinished.write_text(f"{seconds:+d}s\n")
    unfinished.chmod(0o644)
    unfinished.replace(path)


def _step(seconds: int) -> Callable[[Scene], None]:
    def inject(scene: Scene) -> None:
        clock = scene.stores.folder / "clock" / "clock"
        set_clock(clock, seconds)
        scene.hold()
        set_clock(clock, 0)

    return inject


DRILLS = (
    Drill(
        "clock-forward",
        "Valkey's clock is an hour ahead, and set back",
        _step(STEP_S),
        AS_QUIET,
        Stand.STEPPED,
        require=require_faketime,
    ),
    Drill(
        "clock-back",
        "Valkey's clock is an hour behind, and set forward",
        _step(-STEP_S),
        AS_QUIET,
        Stand.STEPPED,
        require=require_faketime,
    ),
)
