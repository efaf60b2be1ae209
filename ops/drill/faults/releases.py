"""Two releases: side by side while one takes the other's place, and back again over what the newer one has written.

The newer one is made here, of a copy of the code: it writes entries of the journal in a format of its own. That is a
step more than a release may take at once (it writes what the one before can read), so that what has to hold anyway can
be seen: the older one records nothing that it cannot read, throws nothing away, and teachers type on.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ops.deploy import order_deploy
from ops.drill import journal
from ops.drill.installation import HEAL_S_MAX, ROOT, wait_until
from ops.drill.scene import KILLED, Drill, Scene, Stand
from ops.processes import ServerError
from ops.servers import postgres_bin

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS = ("app", "workers", "ops", "loadtests")
NEXT_FORMAT = 2
_LOCK = Path(__file__).parent.parent / "sql" / "lock_flushing.sql"


class _Change(NamedTuple):
    """What the next release has otherwise, in one file."""

    path: str
    old: str
    new: str


NEXT = (
    _Change("app/__init__.py", 'VERSION: Final = "', 'VERSION: Final = "next-'),
    _Change("app/drafts/codec.py", "raw[0] != FORMAT:", f"raw[0] not in (FORMAT, {NEXT_FORMAT}):"),
    _Change("app/drafts/scripts/accept.lua", "local entry = '\\1'", f"local entry = '\\{NEXT_FORMAT}'"),
)


def copy_release(folder: Path) -> Path:
    """Copy the code that runs here to a folder, to be run and replaced there; return the folder."""
    for part in PARTS:
        left_out = shutil.ignore_patterns("node_modules", "__pycache__")
        shutil.copytree(ROOT / part, folder / part, ignore=left_out)
    return folder


def make_next(folder: Path) -> None:
    """Put the next release in the place of the copy; ServerError where what it changes is not there any more."""
    for change in NEXT:
        path = folder / change.path
        text = path.read_text()
        if text.count(change.old) != 1:
            raise ServerError(f"the next release cannot be made: {change.old!r} is not once in {change.path}")
        path.write_text(text.replace(change.old, change.new))


def make_former(folder: Path) -> None:
    """Put the code that runs here in its place again."""
    for change in NEXT:
        shutil.copyfile(ROOT / change.path, folder / change.path)


def _deploy(scene: Scene) -> None:
    for _ in order_deploy(scene.installation.installation):
        pass  # a step each; a release that does not get ready is a ServerError


def _versions(scene: Scene, name: str) -> list[str]:
    """Return the versions that processes of this name have said to be, in order."""
    log = (scene.installation.installation.log_dir / f"{name}.log").read_text(errors="replace")
    lines = [line for line in log.splitlines() if '"service.started"' in line]
    return ["next" if '"next-' in line else "former" for line in lines]


def _deploy_next(scene: Scene) -> None:
    """Old and new side by side: the new API writes what the old flusher cannot read, until that is replaced too."""
    make_next(scene.installation.root)
    _deploy(scene)
    for name in ("api-1", "api-2"):
        scene.expect(_versions(scene, name)[-1:] == ["next"], f"{name} is not of the next release")
    scene.hold()


@contextlib.contextmanager
def _nothing_flushed(scene: Scene) -> Iterator[None]:
    """Hold a lock that every flusher needs: what is drafted meanwhile stays in the journal."""
    program = subprocess.Popen(
        [postgres_bin() / "psql", scene.installation.settings.database_url, "-qXAt", "-v", "ON_ERROR_STOP=1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert program.stdin is not None  # noqa: S101 -- a pipe was asked for
    assert program.stdout is not None  # noqa: S101 -- the same
    try:
        program.stdin.write(b"BEGIN;\n" + _LOCK.read_bytes() + b"SELECT 'held';\n")
        program.stdin.flush()
        if program.stdout.readline() != b"held\n":
            raise ServerError("flushing could not be held up")
        yield
    finally:
        program.kill()
        program.wait()


def _newer_entries(scene: Scene) -> int:
    return journal.count_entries(scene.installation.settings, NEXT_FORMAT)


def _is_held(scene: Scene) -> bool:
    log = (scene.installation.installation.log_dir / "flusher.log").read_text(errors="replace")
    return '"partition.held"' in log.rpartition('"service.started"')[2]


def _roll_back(scene: Scene) -> None:
    """Let the next release write, and nothing be recorded; bring back the former one, and then the next one again."""
    folder = scene.installation.root
    make_next(folder)
    _deploy(scene)
    with _nothing_flushed(scene):
        wait_until(lambda: _newer_entries(scene) > 0, HEAL_S_MAX, "an entry of the next release")
        make_former(folder)
        _deploy(scene)
        left = _newer_entries(scene)
        scene.expect(left > 0, "nothing of the next release was left in the journal")
    wait_until(lambda: _is_held(scene), HEAL_S_MAX, "a partition that the former release holds")
    scene.hold()
    scene.expect(_newer_entries(scene) == left, "the former release took out what it cannot read")
    make_next(folder)
    _deploy(scene)
    wait_until(lambda: _newer_entries(scene) < left, HEAL_S_MAX, "recording by the next release")


DRILLS = (
    Drill(
        "deploy-next-release",
        "the next release is deployed: old and new processes side by side",
        _deploy_next,
        KILLED,
        Stand.RELEASES,
        leaves_whole=False,
        fits_short=False,
    ),
    Drill(
        "roll-back-over-newer-entries",
        "the release before comes back while entries of the next are in the journal",
        _roll_back,
        KILLED,
        Stand.RELEASES,
        leaves_whole=False,
        fits_short=False,
    ),
)
