"""Entries that nobody can record, files that are damaged, and a power cut."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from app.drafts.codec import unpack_entry
from app.drafts.keys import STREAM
from ops.drill import journal
from ops.drill.installation import HEAL_S_MAX, wait_until
from ops.drill.scene import JOURNAL_AWAY, KILLED, Drill, MissingError, Scene, Stand
from ops.drill.statements import ask
from ops.processes import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT_OF_TOMORROW = b"\x7fof a release to come"
TORN_BYTES = 37
RECORDER = Path(__file__).with_name("durable_bytes.c")
DAMAGED = ["unreadable", "refused_by_database"]
COMPILER_S_MAX = 60


def _poison(scene: Scene) -> None:
    """Plant what PostgreSQL refuses, and what is no entry at all, among what teachers type."""
    settings = scene.installation.settings
    found: list[tuple[int, bytes]] = []

    def has_entry() -> bool:
        entry = journal.entry_of_today(settings)
        if entry is not None:
            found.append(entry)
        return bool(found)

    wait_until(has_entry, HEAL_S_MAX, "an entry in the journal")
    partition, raw = found[0]
    planted = [_of_nobody(raw), raw[:-5], raw[:40], b"\x01"]
    for poison in planted:
        journal.command(settings, "XADD", STREAM[partition], "*", "d", poison, partition=partition)
    wait_until(
        lambda: len(ask(settings, "quarantined", DAMAGED)) >= len(planted), HEAL_S_MAX, "quarantine of what was planted"
    )
    scene.hold()
    kept = {bytes.fromhex(text) for text in ask(settings, "quarantined", DAMAGED)}
    missing = [poison for poison in planted[1:] if poison not in kept]
    scene.expect(not missing, f"{len(missing)} damaged entries are not kept as they were")
    scene.expect(len(kept) <= _size(raw) + len(planted), "more was set aside than was planted")
    ask(settings, "settle_quarantine", DAMAGED)


def _size(raw: bytes) -> int:
    return len(unpack_entry(b"0-0", raw).edits)


def _of_nobody(raw: bytes) -> bytes:
    """Return this entry as another client's, with other edits, whose values PostgreSQL refuses."""
    poison = bytearray(raw)
    entry = unpack_entry(b"0-0", raw)
    at = poison.index(entry.client_id.bytes)
    poison[at : at + 16] = uuid.uuid4().bytes
    for edit in entry.edits:
        at = poison.index(edit.edit_id)
        poison[at : at + 16] = uuid.uuid4().bytes
        at = poison.index(edit.value, at)
        poison[at : at + len(edit.value)] = b"\xff" * len(edit.value)
    return bytes(poison)


def _newer_entry(scene: Scene) -> None:
    """Plant entries of a newer release in every busy partition, and roll forward: the newer release takes them out."""
    settings = scene.installation.settings
    planted: list[tuple[int, bytes]] = []
    wait_until(lambda: bool(journal.busy_partitions(settings)), HEAL_S_MAX, "an entry in the journal")
    for partition in journal.busy_partitions(settings):
        words = ("XADD", STREAM[partition], "*", "d", FORMAT_OF_TOMORROW)
        planted.append((partition, journal.command(settings, *words, partition=partition)))
    scene.hold()
    for partition, stream_id in planted:
        taken = journal.command(settings, "XDEL", STREAM[partition], stream_id, partition=partition)
        scene.expect(taken == 1, "an entry of a newer release was not held")


def _lose_journal(scene: Scene) -> None:
    valkey = scene.stores.valkey
    valkey.kill()
    shutil.rmtree(valkey.data_dir)
    valkey.start()
    scene.hold()


def _last_file(data_dir: Path) -> Path:
    files = sorted(data_dir.rglob("*.incr.aof"), key=lambda path: path.stat().st_mtime)
    if not files:
        raise ServerError("the journal has no append-only file")
    return files[-1]


def _tear_tail(scene: Scene) -> None:
    """Cut the end off the journal's file, in the middle of a command that had been acknowledged."""
    valkey = scene.stores.valkey
    valkey.kill()
    path = _last_file(valkey.data_dir)
    os.truncate(path, max(0, path.stat().st_size - TORN_BYTES))
    valkey.start()
    scene.hold()


def require_compiler() -> None:
    """Raise MissingError where the recorder cannot be built."""
    if shutil.which("cc") is None:
        raise MissingError("a C compiler (Debian: gcc and libc6-dev), to build the recorder of what was fsynced")


@contextlib.contextmanager
def recorded_server(binary: Path, folder: Path) -> Iterator[Path]:
    """Yield a program that starts `binary` and notes, in folder/durable, how much of its files was fsynced."""
    folder.mkdir(mode=0o711)
    library, noted, program = folder / "durable_bytes.so", folder / "durable", folder / "valkey"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(RECORDER), "-ldl"]
    subprocess.run(command, check=True, timeout=COMPILER_S_MAX, capture_output=True)
    noted.touch()
    noted.chmod(0o666)
    program.write_text(f'#!/bin/sh\nDURABLE_LOG="{noted}" LD_PRELOAD="{library}" exec "{binary}" "$@"\n')
    program.chmod(0o755)
    library.chmod(0o755)
    yield program


def _cut_power(scene: Scene) -> None:
    """Kill Valkey, and drop every byte of its file that was never fsynced, as a power cut does."""
    valkey = scene.stores.valkey
    valkey.kill()
    durable: dict[str, int] = {}
    for line in (scene.stores.folder / "recorder" / "durable").read_text().splitlines():
        name, _, size = line.rpartition(" ")
        durable[name] = int(size)
    path = _last_file(valkey.data_dir)
    kept = durable.get(str(path.resolve()), 0)
    scene.expect(kept > 0, "nothing of the journal's file was noted as fsynced: the recorder does not work")
    os.truncate(path, kept)
    valkey.start()
    scene.hold()


DRILLS = (
    Drill("poison-edit", "edits that PostgreSQL refuses, and damaged entries, are in the journal", _poison),
    Drill("newer-journal-entry", "entries of a newer release are in the journal", _newer_entry),
    Drill(
        "lost-journal-directory", "Valkey is killed, and its directory is gone", _lose_journal, KILLED, Stand.WIRED, 2.0
    ),
    Drill("truncated-aof-tail", "Valkey is killed, and its file torn", _tear_tail, KILLED, Stand.WIRED, 2.0),
    Drill(
        "power-cut",
        "Valkey is killed, and what it never fsynced is dropped",
        _cut_power,
        JOURNAL_AWAY,
        Stand.RECORDED,
        2.0,
        require=require_compiler,
    ),
)
