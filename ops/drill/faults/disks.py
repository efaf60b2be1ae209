"""Disks that are full."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from app.drafts.doctor import CLOSED_BYTES
from app.errors import JournalUnavailableError
from ops.ballast import Ballast
from ops.disk_guard import MIB, room_of
from ops.drill import journal
from ops.drill.installation import HEAL_S_MAX, ROOT, wait_until
from ops.drill.scene import JOURNAL_AWAY, NEVER_FAILS, Drill, MissingError, Scene, Stand

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOURNAL_DISK_MIB, RECORDS_DISK_MIB = 64, 512
CHUNK = bytes(64 * 1024)
MOUNT_S_MAX = 10
# On a disk of 64 MiB: closed below 9.6, and a ballast of 3.2.
GUARD = ("--free-percent-min", "15", "--free-mib-min", "1", "--ballast-mib", "4")
LEFT_MIB = 6


def require_disks() -> None:
    """Raise MissingError where no small disk can be mounted."""
    if os.geteuid() != 0:
        raise MissingError("root, to mount a small disk (tmpfs)")
    if shutil.which("mount") is None:
        raise MissingError("the program `mount`")


@contextlib.contextmanager
def small_disk(path: Path, mib: int) -> Iterator[Path]:
    """Yield a disk of this size, in memory, that ends with this context."""
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0711", "tmpfs", str(path)]
    if subprocess.run(command, check=False, timeout=MOUNT_S_MAX, capture_output=True).returncode != 0:
        raise MissingError("the right to mount a small disk (tmpfs)")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=False, timeout=MOUNT_S_MAX, capture_output=True)


@contextlib.contextmanager
def _full(disk: Path) -> Iterator[None]:
    """Write until the disk takes no more; remove that afterwards."""
    ballast = disk / "ballast"
    try:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            for size in (len(CHUNK), 4096, 1):  # smaller at the end, so that nothing is left
                with contextlib.suppress(OSError):
                    while file.write(CHUNK[:size]):
                        pass
        yield
    finally:
        ballast.unlink(missing_ok=True)


def _is_full(disk: Path) -> bool:
    probe = disk / "probe"
    try:
        probe.write_bytes(CHUNK)
    except OSError as error:
        return error.errno == errno.ENOSPC
    finally:
        probe.unlink(missing_ok=True)
    return False


def _fill(scene: Scene, disk: Path) -> None:
    with _full(disk):
        scene.expect(_is_full(disk), "the disk was not full")
        scene.hold()
    scene.stores.start_again()


@contextlib.contextmanager
def _guarded(scene: Scene) -> Iterator[Ballast]:
    """Run the disk guard beside the journal, and yield its ballast once that is made."""
    folder = scene.stores.valkey.data_dir
    command = [sys.executable, "-m", "ops.cli", "disk-guard", "--dir", str(folder), *GUARD]
    with (scene.folder / "disk-guard.log").open("ab") as output:
        guard = subprocess.Popen(
            [*command, "--redis-url", scene.stores.valkey.url], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
        )
    ballast = Ballast(folder)
    try:
        wait_until(lambda: ballast.is_there, HEAL_S_MAX, "the guard's ballast")
        yield ballast
        wait_until(lambda: not _is_closed(scene), HEAL_S_MAX, "the guard to open the journal again")
    finally:
        guard.terminate()
        guard.wait()


def _is_closed(scene: Scene) -> bool:
    """Whether the guard has closed the journal to new edits; also while its server cannot say."""
    try:
        answer = journal.command(scene.installation.settings, "CONFIG", "GET", "maxmemory")
    except JournalUnavailableError:
        return True
    return int(answer[1]) == CLOSED_BYTES


def _fill_almost(scene: Scene) -> None:
    """Leave less room than the guard wants, and more than Valkey needs: it is closed in time, and lives on."""
    disk, valkey = scene.stores.valkey.data_dir.parent, scene.stores.valkey
    with _guarded(scene) as ballast:
        pid, filler = valkey.pid, disk / "filler"
        filler.write_bytes(bytes(room_of(disk).free_bytes - LEFT_MIB * MIB))
        try:
            wait_until(lambda: _is_closed(scene), HEAL_S_MAX, "the guard to close the journal")
            scene.hold()
            scene.expect(valkey.process.running and valkey.pid == pid, "Valkey has ended, although it was closed")
            scene.expect(ballast.is_there, "the ballast was given away, although nothing was full")
        finally:
            filler.unlink()


def _fill_guarded(scene: Scene) -> None:
    """Fill it at once, so that Valkey ends: with the ballast's room it is started, closed, and drained."""
    valkey = scene.stores.valkey
    with _guarded(scene) as ballast:
        with _full(valkey.data_dir.parent):
            wait_until(lambda: ballast.is_spent, HEAL_S_MAX, "the guard to give its ballast away")
            wait_until(lambda: not valkey.process.running, HEAL_S_MAX, "the end of Valkey")
            scene.stores.start_again()
            wait_until(lambda: _is_closed(scene), HEAL_S_MAX, "the guard to close the journal")
            scene.hold()
            scene.expect(valkey.process.running, "Valkey has ended again, in spite of the ballast")
            waiting = journal.count_entries(scene.installation.settings)
            scene.expect(not waiting, f"{waiting} entries were not drained in the ballast's room")
        scene.stores.start_again()


def _fill_journal(scene: Scene) -> None:
    _fill(scene, scene.stores.valkey.data_dir.parent)


def _fill_records(scene: Scene) -> None:
    _fill(scene, scene.stores.postgres.data_dir.parent)


DRILLS = (
    Drill(
        "journal-disk-short",
        "the disk of Valkey's file has little room: the disk guard closes the journal",
        _fill_almost,
        JOURNAL_AWAY,
        Stand.SMALL_DISKS,
        require=require_disks,
    ),
    Drill(
        "journal-disk-full-with-guard",
        "the disk of Valkey's file is full: the disk guard gives its ballast away",
        _fill_guarded,
        JOURNAL_AWAY,
        Stand.SMALL_DISKS,
        require=require_disks,
    ),
    Drill(
        "journal-disk-full",
        "the disk of Valkey's file is full",
        _fill_journal,
        JOURNAL_AWAY,
        Stand.SMALL_DISKS,
        require=require_disks,
    ),
    Drill(
        "records-disk-full",
        "the disk of PostgreSQL and its WAL is full",
        _fill_records,
        NEVER_FAILS,
        Stand.SMALL_DISKS,
        require=require_disks,
    ),
)
