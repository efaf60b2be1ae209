"""Leases of the journal's partitions: who may flush what, fenced inside the flush transaction itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.records.statements import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from app.records.pool import Connection

Epochs = dict[int, int]  # partition -> lease epoch


class Held(NamedTuple):
    """Partitions whose rows a transaction has locked.

    `incarnation` is the database's (None: nothing is held); `parked` has those with parked edits.
    """

    partitions: set[int]
    incarnation: str | None
    parked: set[int]


async def touch_leases(
    connection: Connection, owner: UUID, epochs: Epochs, lease_ms: int, rows: Mapping[int, int]
) -> Held:
    """Lock and renew every partition of an owner, in order; return those still held.

    Must be the first statement of a flush transaction; fewer partitions than were asked for means: roll back.
    """
    parts = sorted(epochs)
    found = await connection.fetch(
        load("touch_leases"), owner, parts, [epochs[p] for p in parts], lease_ms, [rows.get(p, 0) for p in parts]
    )
    return Held({r[0] for r in found}, str(found[0][1]) if found else None, {r[0] for r in found if r[2]})


async def hold_partitions(connection: Connection, rows: Mapping[int, int]) -> Held:
    """Lock partitions (given with how many edits come to each) in order, whoever flushes them.

    Must be the first statement of a transaction that writes edits past the journal.
    """
    parts = sorted(rows)
    found = await connection.fetch(load("hold_partitions"), parts, [rows[p] for p in parts])
    return Held({r[0] for r in found}, str(found[0][2]), {r[0] for r in found if r[1]})


async def take_leases(connection: Connection, owner: UUID, count: int, lease_ms: int) -> Epochs:
    """Take up to `count` free or expired partitions; return them with their new epochs."""
    rows = await connection.fetch(load("take_leases"), owner, count, lease_ms)
    return {r[0]: r[1] for r in rows}


async def renew_leases(connection: Connection, owner: UUID, epochs: Epochs, lease_ms: int) -> set[int]:
    """Renew partitions; return those still held."""
    parts = sorted(epochs)
    rows = await connection.fetch(load("renew_leases"), owner, parts, [epochs[p] for p in parts], lease_ms)
    return {r[0] for r in rows}


async def release_leases(connection: Connection, owner: UUID, partitions: Sequence[int]) -> None:
    """Give partitions back."""
    await connection.fetch(load("release_leases"), owner, partitions)


async def announce_flusher(connection: Connection, owner: UUID, lease_ms: int) -> None:
    """Say that this flusher is alive for another lease."""
    await connection.execute(load("announce_flusher"), owner, lease_ms)


async def count_flushers(connection: Connection) -> int:
    """Return how many flushers are alive."""
    count: int = await connection.fetchval(load("count_flushers"))
    return count


async def retire_flusher(connection: Connection, owner: UUID) -> None:
    """Take a flusher off the list and give back what it holds."""
    await connection.fetch(load("retire_flusher"), owner)


async def read_incarnation(connection: Connection) -> str:
    """Return this history of the database; a new one where PostgreSQL says that it was restored or promoted."""
    return str(await connection.fetchval(load("read_incarnation")))


async def mint_incarnation(connection: Connection) -> str:
    """Begin a new history: a backup was put back."""
    return str(await connection.fetchval(load("mint_incarnation")))
