"""`inkfast maintenance`: hours without PostgreSQL, prepared: sections are kept for reading, and teachers are told."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import click

from app.drafts.snapshots import SnapshotCache
from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.errors import InkfastError, JournalUnavailableError, RecordsUnavailableError
from app.gradebook.maintenance import REASON_CHARS_MAX, Maintenance, announce, read_announced
from app.records.maintenance import read_district_time_zone
from app.records.pool import connect
from app.settings import Settings
from ops.installation import data_dir_option, settings_environment
from ops.processes import ServerError
from ops.roster_progress import shown_progress
from ops.warming import Warmed, warm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from app.drafts.snapshots import CacheFigures
    from app.records.pool import Connection

DAYS_MAX = 7
MIB = 1024 * 1024
EXAMPLE = "2026-11-23T06:00"


@click.group()
def maintenance() -> None:
    """Prepare hours without PostgreSQL, and tell teachers.

    \b
    1. inkfast maintenance start --until 2026-11-23T06:00 --reason "new disks"
    2. stop PostgreSQL, work on it, start it again
    3. inkfast maintenance stop

    Entry goes on all the time: edits are held by the journal, and recorded in order when PostgreSQL is back. `start`
    puts every section that somebody teaches into the snapshot cache, so that it can be opened meanwhile, and shows a
    notice on every page and on /statusz. It changes nothing else: an outage that nobody announced goes the same way,
    with the sections that were opened lately.
    """  # noqa: D301 -- \b is click's mark for "do not wrap"


@maintenance.command()
@click.option(
    "--until",
    required=True,
    metavar="TIME",
    help=f"When it will be over, such as {EXAMPLE}: in the district's time zone, unless an offset follows (+00:00, Z).",
)
@click.option("--reason", default="", help="What for, in a few words, for teachers to read.")
@click.option(
    "--connections",
    type=click.IntRange(1, 32),
    default=4,
    show_default=True,
    help="To PostgreSQL, for reading the sections.",
)
@data_dir_option
def start(until: str, reason: str, connections: int, data_dir: Path) -> None:
    """Keep every section for reading, then announce maintenance until TIME.

    Nothing is announced unless all of it could be read. It may be called hours before: what teachers open afterwards is
    kept anew by itself.
    """
    if len(reason) > REASON_CHARS_MAX:
        raise ServerError(f"--reason: at most {REASON_CHARS_MAX} characters")
    settings = Settings.from_env(settings_environment(data_dir))
    asyncio.run(_start(settings, until, " ".join(reason.split()), connections))


@maintenance.command()
@data_dir_option
def stop(data_dir: Path) -> None:
    """Take the announcement back: maintenance is over, or will not be."""
    asyncio.run(_stop(Settings.from_env(settings_environment(data_dir))))


@maintenance.command()
@data_dir_option
def status(data_dir: Path) -> None:
    """Show what is announced, and how the snapshot cache stands."""
    asyncio.run(_status(Settings.from_env(settings_environment(data_dir))))


class Stores(NamedTuple):
    """Where an announcement stands; no connection while PostgreSQL is away."""

    store: DraftStore
    connection: Connection | None


@asynccontextmanager
async def _stores(settings: Settings) -> AsyncIterator[Stores]:
    topology = Topology(settings.redis_url)
    connection = None
    try:
        await topology.learn()
        try:
            connection = await connect(settings.database_url, application_name="inkfast-maintenance")
        except RecordsUnavailableError:
            connection = None
        yield Stores(DraftStore(topology), connection)
    except JournalUnavailableError as error:
        raise ServerError(f"the journal does not answer: {error.detail}") from error
    finally:
        if connection is not None:
            await connection.close()
        topology.close()


async def _start(settings: Settings, until: str, reason: str, connections: int) -> None:
    async with _stores(settings) as (store, connection):
        if connection is None:
            raise ServerError("PostgreSQL is away already: there is nothing left to prepare, and entry goes on")
        before = await read_announced(connection, store)
        now = dt.datetime.now(dt.UTC)
        if before is not None and before.until_ms > now.timestamp() * 1000:
            raise ServerError(
                f"maintenance is announced already, until {said(before)}; `inkfast maintenance stop` takes that back"
            )
        zone = await read_district_time_zone(connection) or "UTC"
        end = parse_until(until, zone, now)
        await _warm(settings, connections)
        announced = Maintenance(int(end.timestamp() * 1000), reason, zone, _now_ms())
        await announce(connection, store, announced)
    click.echo(f"announced: maintenance until {said(announced)}")


def parse_until(text: str, zone: str, now: dt.datetime) -> dt.datetime:
    """Return the moment that is meant, in `zone` where no offset is given; ServerError says what is wrong with it."""
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise ServerError(f"--until: {text!r} is not a date and a time such as {EXAMPLE}") from None
    if len(text.strip()) <= len("2026-11-23"):
        raise ServerError(f"--until: {text!r} has no time of day; write it such as {EXAMPLE}")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    shown = f"{moment:%Y-%m-%d %H:%M} {moment.tzname()}"
    if moment <= now:
        raise ServerError(f"--until: {shown} is over; it is {now.astimezone(moment.tzinfo):%Y-%m-%d %H:%M} now")
    if moment > now + dt.timedelta(days=DAYS_MAX):
        raise ServerError(f"--until: {shown} is more than {DAYS_MAX} days from now")
    return moment


async def _warm(settings: Settings, connections: int) -> None:
    if not settings.snapshot_cache_url:
        click.echo(
            "no snapshot cache (INKFAST_SNAPSHOT_CACHE_URL is not set): while PostgreSQL is away nobody can open a\n"
            "section; entry goes on in those that are open",
            err=True,
        )
        return
    try:
        with shown_progress() as progress:
            warmed = await warm(settings, connections, progress)
    except InkfastError as error:
        raise ServerError(f"nothing is announced, for not every section could be read: {error.detail}") from error
    for line in report(warmed):
        click.echo(line)


def report(warmed: Warmed) -> list[str]:
    """Return what was kept, at what pace and size, and what did not fit."""
    seconds = max(0.001, warmed.seconds)
    cells = max(1, warmed.cells)
    after = warmed.after
    limit = f"of {after.bytes_max / MIB:,.0f} MiB" if after.bytes_max else "without a limit"
    pace, size = warmed.sections / seconds, warmed.packed_bytes / cells
    lines = [
        f"kept: {warmed.sections:,} sections ({seconds:.1f} s, {pace:,.0f} a second), {warmed.lists:,} teachers' lists",
        f"{warmed.cells:,} cells, {size:.1f} bytes each; the cache uses {after.used_bytes / MIB:,.0f} MiB {limit}",
    ]
    missing = warmed.not_fitting
    if not missing:
        return [*lines, "all of it fits"]
    share = (warmed.sections + warmed.lists) / max(1, warmed.sections + warmed.lists - missing)
    needed = after.used_bytes * max(1.0, share) * 1.1 / MIB
    return [*lines, f"{missing:,} of them did not fit: the cache's maxmemory should be about {needed:,.0f} MiB"]


async def _stop(settings: Settings) -> None:
    async with _stores(settings) as (store, connection):
        announced = await read_announced(connection, store)
        now_ms = _now_ms()
        if announced is None or announced.until_ms <= now_ms:
            click.echo("no maintenance is announced")
            return
        await announce(
            connection, store, Maintenance(0, "", announced.time_zone, max(now_ms, announced.changed_ms + 1))
        )
    click.echo(f"taken back: maintenance until {said(announced)}")
    if connection is None:
        click.echo("PostgreSQL is away: it stands in the journal, and counts when PostgreSQL is back too")


async def _status(settings: Settings) -> None:
    async with _stores(settings) as (store, connection):
        announced = await read_announced(connection, store)
    is_announced = announced is not None and announced.until_ms > _now_ms()
    click.echo(f"announced: maintenance until {said(announced)}" if announced and is_announced else "nothing announced")
    click.echo(f"PostgreSQL: {'answers' if connection is not None else 'away'}")
    click.echo(f"snapshot cache: {_cache_line(await _figures(settings))}")


async def _figures(settings: Settings) -> CacheFigures | str:
    if not settings.snapshot_cache_url:
        return "none (INKFAST_SNAPSHOT_CACHE_URL is not set)"
    cache = SnapshotCache(settings.snapshot_cache_url, answer_s_max=2.0)
    try:
        return await cache.figures() or "does not answer"
    finally:
        cache.close()


def _cache_line(figures: CacheFigures | str) -> str:
    if isinstance(figures, str):
        return figures
    limit = f" of {figures.bytes_max / MIB:,.0f}" if figures.bytes_max else ""
    return f"{figures.keys:,} keys, {figures.used_bytes / MIB:,.0f}{limit} MiB, {figures.evicted:,} evicted so far"


def said(announced: Maintenance) -> str:
    """Return the end of maintenance in the district's time and in UTC, and its reason."""
    end = dt.datetime.fromtimestamp(announced.until_ms / 1000, dt.UTC)
    there = end.astimezone(ZoneInfo(announced.time_zone))
    reason = f": {announced.reason}" if announced.reason else ""
    return f"{there:%A %Y-%m-%d %H:%M} {there.tzname()} ({end:%Y-%m-%d %H:%M} UTC){reason}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
