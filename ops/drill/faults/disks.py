"""Disks that are full."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from ops.drill.scene import JOURNAL_AWAY, NEVER_FAILS, Drill, MissingError, Scene, Stand

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOURNAL_DISK_MIB, RECORDS_DISK_MIB = 64, 512
CHUNK = bytes(64 * 1024)
MOUNT_S_MAX = 10


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


def _fill_journal(scene: Scene) -> None:
    _fill(scene, scene.stores.valkey.data_dir.parent)


def _fill_records(scene: Scene) -> None:
    _fill(scene, scene.stores.postgres.data_dir.parent)


DRILLS = (
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
