"""`inkfast disk-guard`: closes the journal to new edits before its disk is full, and opens it when there is room again.

Closed means `maxmemory 1`: accept.lua is refused as a whole (the API then writes to PostgreSQL directly), drain.lua may
run at any memory. The value from before is kept in a file, written while there is room.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec
import uvloop

from app.drafts.connection import Address, JournalProtocol, ReplyError
from app.drafts.doctor import CLOSED_BYTES
from app.errors import JournalUnavailableError
from app.heartbeat import beat
from app.settings import Settings
from app.telemetry import Event, log, log_to_stderr
from ops.ballast import Ballast
from ops.environment import environment

MIB = 1024 * 1024
LOOK_S = 1.0
LOOK_AWAY_S = 0.2  # a server that has just been started must not be filled again before it is closed
ANSWER_S_MAX = 5.0
FULL_BYTES = MIB  # less than one group of saves may need: the next write fails
AWAY_LOOKS_MAX = 5  # so many looks without a server on a short disk: it cannot write
REOPEN_PERCENT = 125  # of the room at which it was closed, lest it open and close all the time


class Limits(NamedTuple):
    """When a disk is short of room. On a small disk the share decides, on a large one `free_mib_max`."""

    free_percent_min: int
    free_mib_min: int
    free_mib_max: int
    ballast_mib: int

    def low_bytes(self, total_bytes: int) -> int:
        """Return the free room below which the journal takes nothing new."""
        share = total_bytes * self.free_percent_min // 100
        return max(self.free_mib_min * MIB, min(share, self.free_mib_max * MIB))


class Room(NamedTuple):
    """What a server that is not root finds on the disk."""

    free_bytes: int
    total_bytes: int


def room_of(folder: Path) -> Room:
    """Look at the disk of a folder."""
    disk = os.statvfs(folder)
    return Room(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize)


class DiskGuard:
    """Watches the disk of one journal server."""

    def __init__(self, folder: Path, url: str, limits: Limits) -> None:
        self._folder = folder
        self._address = Address(url)
        self._limits = limits
        self._ballast = Ballast(folder)
        self._memory_path = folder / "disk-guard.json"
        self._away_looks = 0
        self._is_noted = False

    async def run(self) -> None:
        """Look for ever, every second, and more often while the server is away."""
        while True:
            try:
                await self.look()
            except (JournalUnavailableError, OSError, TimeoutError) as error:
                self._note(error)
            await asyncio.sleep(LOOK_AWAY_S if self._away_looks else LOOK_S)

    async def look(self) -> None:
        """Do what has to be done now; JournalUnavailableError, OSError or TimeoutError when something could not be."""
        server = JournalProtocol()
        try:
            try:
                await self._address.open(server)
            except JournalUnavailableError as error:
                if "LOADING" not in str(error):  # it is there, and reads its file
                    self._without_server()
                return
            self._away_looks = 0
            async with asyncio.timeout(ANSWER_S_MAX):
                await self._with_server(server)
        finally:
            server.close()

    def _without_server(self) -> None:
        """Give the ballast away when the server cannot run for want of room: then it can start, and be drained."""
        self._away_looks += 1
        room = room_of(self._folder)
        is_short = room.free_bytes < self._limits.low_bytes(room.total_bytes)
        if is_short and (room.free_bytes < FULL_BYTES or self._away_looks > AWAY_LOOKS_MAX):
            self._give_ballast_away(room)

    def _give_ballast_away(self, room: Room) -> None:
        if self._ballast.is_there:
            self._ballast.give_away()
            freed = room_of(self._folder).free_bytes - room.free_bytes
            log(Event.BALLAST_FREED, level=logging.ERROR, freed_bytes=freed, free_bytes=room.free_bytes)
        elif not self._is_noted:
            self._note(OSError(f"no room on the journal's disk ({room.free_bytes} bytes), and no ballast: free some"))

    async def _with_server(self, server: JournalProtocol) -> None:
        limit = int((await _ask(server, "CONFIG", "GET", "maxmemory"))[1])
        room = room_of(self._folder)
        low_bytes = self._limits.low_bytes(room.total_bytes)
        if limit != CLOSED_BYTES:
            self._remember(limit)
            if room.free_bytes < low_bytes or self._ballast.is_spent:
                await _ask(server, "CONFIG", "SET", "maxmemory", str(CLOSED_BYTES))
                log(Event.JOURNAL_CLOSED, level=logging.ERROR, free_bytes=room.free_bytes, low_bytes=low_bytes)
            elif not self._ballast.is_there:
                self._make_ballast(room, low_bytes)
            return
        if room.free_bytes < FULL_BYTES and self._ballast.is_there:
            self._give_ballast_away(room)
        ballast_bytes = 0 if self._ballast.is_there else self._ballast.bytes_of(self._limits.ballast_mib * MIB)
        if room.free_bytes >= low_bytes * REOPEN_PERCENT // 100 + ballast_bytes:
            await self._open(server, room, low_bytes)
        else:
            await self._shrink(server, room)

    async def _open(self, server: JournalProtocol, room: Room, low_bytes: int) -> None:
        if not self._ballast.is_there:
            self._make_ballast(room, low_bytes)
        try:
            limit = int(json.loads(self._memory_path.read_text())["maxmemory_bytes"])
        except (OSError, ValueError, KeyError) as error:
            raise OSError(f"the journal's former maxmemory is not known ({error}): CONFIG SET it by hand") from None
        await _ask(server, "CONFIG", "SET", "maxmemory", str(limit))
        self._is_noted = False
        log(Event.JOURNAL_OPENED, free_bytes=room.free_bytes, maxmemory_bytes=limit)

    async def _shrink(self, server: JournalProtocol, room: Room) -> None:
        """Have the file written anew once most of it is history, and what is left fits into the room."""
        persistence, memory = [_fields(await _ask(server, "INFO", topic)) for topic in ("persistence", "memory")]
        file_bytes, data_bytes = int(persistence["aof_current_size"]), int(memory["used_memory_dataset"])
        is_busy = persistence["aof_rewrite_in_progress"] == "1" or persistence["aof_rewrite_scheduled"] == "1"
        if not is_busy and file_bytes > 2 * data_bytes + MIB and data_bytes < room.free_bytes:
            await _ask(server, "BGREWRITEAOF")
            log(Event.JOURNAL_REWRITTEN, file_bytes=file_bytes, data_bytes=data_bytes)

    def _make_ballast(self, room: Room, low_bytes: int) -> None:
        wanted_bytes = self._limits.ballast_mib * MIB
        if room.free_bytes - self._ballast.bytes_of(wanted_bytes) > low_bytes:
            self._ballast.make(wanted_bytes)
            log(Event.BALLAST_MADE, ballast_bytes=self._ballast.bytes_of(wanted_bytes))

    def _remember(self, limit: int) -> None:
        text = json.dumps({"maxmemory_bytes": limit})
        with contextlib.suppress(OSError):
            if self._memory_path.read_text() == text:
                return
        with contextlib.suppress(OSError):  # without room for it the journal has to be closed all the same
            unfinished = self._memory_path.with_suffix(".unfinished")
            unfinished.write_text(text)
            unfinished.replace(self._memory_path)

    def _note(self, error: Exception) -> None:
        if not self._is_noted:  # once, not at every look
            log(Event.DISK_GUARD_FAILED, level=logging.ERROR, error=error)
        self._is_noted = True


async def _ask(server: JournalProtocol, *command: str) -> Any:
    try:
        reply = await server.call(*command)
    except ConnectionError as error:
        raise JournalUnavailableError(str(error)) from None
    if isinstance(reply, ReplyError):
        raise JournalUnavailableError(f"{' '.join(command)}: {reply}")
    return reply


def _fields(info: bytes) -> dict[str, str]:
    return dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)


_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(Settings)}


async def _guard(folder: Path, url: str, limits: Limits) -> None:
    descriptor = environment().get("INKFAST_HEARTBEAT_FD")
    beating = asyncio.create_task(beat(None if descriptor is None else int(descriptor)))
    log(Event.SERVICE_STARTED, role="disk-guard")
    try:
        await DiskGuard(folder, url, limits).run()
    finally:
        beating.cancel()


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="The directory of the journal's server (its `dir`); the ballast is kept there.",
)
@click.option("--redis-url", required=True, help="That one server: redis://, rediss:// or unix://.")
@click.option(
    "--free-percent-min",
    type=click.IntRange(0, 90),
    default=_DEFAULTS["journal_disk_free_percent_min"],
    show_default=True,
    help="Close the journal below this share of free room,",
)
@click.option(
    "--free-mib-max",
    type=click.IntRange(1),
    default=_DEFAULTS["journal_disk_free_mib_max"],
    show_default=True,
    help="but not where so much is free,",
)
@click.option(
    "--free-mib-min",
    type=click.IntRange(1),
    default=_DEFAULTS["journal_disk_free_mib_min"],
    show_default=True,
    help="and in any case below this.",
)
@click.option(
    "--ballast-mib",
    type=click.IntRange(1),
    default=_DEFAULTS["journal_ballast_mib"],
    show_default=True,
    help="Size of the ballast file; at most 5 % of the disk.",
)
def disk_guard(folder: Path, redis_url: str, **limits: int) -> None:
    """Watch the disk of a journal server, as its user and on its machine, until it is stopped.

    Short of room, it closes the journal to new edits (CONFIG SET maxmemory 1): edits go to PostgreSQL directly, and
    what is in the journal is drained. Has the server ended for want of room, it gives away a ballast file, so that the
    server can be started again and be drained. Opens the journal when there is room again. `inkfast up` runs one.
    """
    log_to_stderr("disk-guard")
    uvloop.run(_guard(folder, redis_url, Limits(**limits)))
