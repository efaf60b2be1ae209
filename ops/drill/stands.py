"""Stands: the installations that drills happen in, made when the first drill asks for one."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from ops.drill.faults.clocks import stepped_server
from ops.drill.faults.corruption import recorded_server
from ops.drill.faults.disks import JOURNAL_DISK_MIB, RECORDS_DISK_MIB, small_disk
from ops.drill.faults.releases import copy_release
from ops.drill.installation import DrillInstallation
from ops.drill.scene import Stand
from ops.drill.stores import SMALL_WAL, DrillStores
from ops.servers import valkey_bin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


OWN_SERVERS = (Stand.WHOLE, Stand.RELEASES)  # those of `inkfast up`


class Standing(NamedTuple):
    """An installation that serves, and its teachers' grants."""

    installation: DrillInstallation
    tokens: Path


class Stands:
    """Use as a context: at most one stand at a time; all of it is gone when the context is left.

    `logs`: where the logs of each stand are kept; None: nowhere.
    """

    def __init__(self, teachers: int, settings: Mapping[str, str], logs: Path | None) -> None:
        self._teachers = teachers
        self._settings = settings
        self._logs = logs
        self._stack = contextlib.ExitStack()
        self._kind: Stand | None = None
        self._standing: Standing | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Throw away what stands."""
        self._kind = self._standing = None
        self._stack.close()

    def at(self, kind: Stand) -> Standing:
        """Return such a stand, the one that is there or a new one. MissingError: the machine cannot have it."""
        if self._standing is not None and self._kind is kind:
            return self._standing
        self.leave()
        with contextlib.ExitStack() as stack:
            # Not in `logs`: sockets want a short path, and servers one that they may walk to.
            folder = Path(tempfile.mkdtemp(prefix="inkfast-drill-"))
            folder.chmod(0o711)
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            stores = stack.enter_context(_stores(kind, folder)) if kind not in OWN_SERVERS else None
            installation = DrillInstallation(folder / "data", self._teachers, self._settings, stores)
            if kind is Stand.RELEASES:
                installation.root = copy_release(folder / "release")
            stack.callback(self._keep_logs, kind, folder)
            stack.enter_context(installation)
            installation.write_tokens(folder / "tokens.jsonl")
            self._standing = Standing(installation, folder / "tokens.jsonl")
            self._kind = kind
            self._stack = stack.pop_all()
        return self._standing

    def _keep_logs(self, kind: Stand, folder: Path) -> None:
        if self._logs is None:
            return
        kept = self._logs / kind.name.lower()
        kept.mkdir(parents=True, exist_ok=True)
        for log in (*(folder / "data" / "log").glob("*.log"), *(folder / "stores" / "run").glob("*.log")):
            shutil.copy(log, kept / log.name)
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(folder / "data.out", kept / "up.log")


@contextlib.contextmanager
def _stores(kind: Stand, folder: Path) -> Iterator[DrillStores]:
    stores = folder / "stores"
    stores.mkdir(mode=0o711)
    with contextlib.ExitStack() as stack:
        if kind is Stand.SMALL_DISKS:
            records = stack.enter_context(small_disk(folder / "records-disk", RECORDS_DISK_MIB))
            journal = stack.enter_context(small_disk(folder / "journal-disk", JOURNAL_DISK_MIB))
            made = DrillStores(
                stores, records_dir=records / "pg", journal_dir=journal / "valkey", records_config=SMALL_WAL
            )
        elif kind is Stand.STEPPED:
            made = DrillStores(
                stores, journal_binary=stack.enter_context(stepped_server(valkey_bin(), stores / "clock"))
            )
        elif kind is Stand.RECORDED:
            recorder = stack.enter_context(recorded_server(valkey_bin(), stores / "recorder"))
            made = DrillStores(stores, journal_binary=recorder)
        else:
            made = DrillStores(stores)
        yield stack.enter_context(made)
