"""The invariants of the loss audit: what each says in plain words, and the statements that look for violations.

The statements are in ops/audit/sql, one a file: they belong to the audit alone, which must not share a mistake with the
service that it examines. Each returns every violation. They are counted, and kept for the totals, where they are found:
in PostgreSQL, so that the auditor needs no memory for a run in which everything is lost.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.records.pool import connect
from ops.audit.journal import JournalReader
from ops.audit.ledger import LedgerLoader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from uuid import UUID

    from app.records.pool import Connection
    from app.settings import Settings

_SQL = Path(__file__).parent / "sql"
OFFENDING_MAX = 10
CLAIMS_PER_COPY = 1_000
# One repeatable look at PostgreSQL, with room to sort a million edits.
SERVER_SETTINGS = {"work_mem": "64MB", "temp_buffers": "64MB", "default_transaction_isolation": "repeatable read"}

LOST, TWICE, DISORDER, MISMATCH, WAITING = "lost", "duplicated", "out_of_order", "mismatch", "waiting"


class Offence(NamedTuple):
    """One violation."""

    section_id: int | None
    edit_id: str | None
    detail: str


class Verdict(NamedTuple):
    """What the audit says of one invariant. `checked`: what it was checked on, in words; empty: it needs a ledger.

    `violations`: how often it is broken, by category. What one edit breaks in several ways is there several times.
    """

    name: str
    title: str
    checked: str
    violations: Mapping[str, int]
    offending: Sequence[Offence]

    @property
    def holds(self) -> bool:
        """Whether no violation was found."""
        return not any(self.violations.values())


class Report(NamedTuple):
    """The audit's result. `totals`: how many edits break any invariant, by category, each counted once."""

    verdicts: Sequence[Verdict]
    counts: Mapping[str, int]
    totals: Mapping[str, int]

    @property
    def holds(self) -> bool:
        """Whether nothing is lost, stored twice, out of order or otherwise wrong."""
        return all(verdict.holds for verdict in self.verdicts)

    def total(self, category: str) -> int:
        """Return how many edits are lost, say, whatever number of invariants that breaks. Waiting: entries.

        What names no edit (an unreadable entry; a client's position, where no ledger has its number) counts each time.
        """
        return self.totals.get(category, 0)


class _Check(NamedTuple):
    statement: str
    category: str
    needs_ledger: bool = True


class _Invariant(NamedTuple):
    name: str
    title: str
    checked: str  # with the figures of Report.counts
    checks: Sequence[_Check]


INVARIANTS = (
    _Invariant(
        "I1",
        "every acknowledged edit is stored, and stored once",
        "{acknowledged} acknowledged, {held} of them still in the journal",
        [_Check("lost", LOST), _Check("twice", TWICE)],
    ),
    _Invariant(
        "I2",
        "nothing is stored that was not sent, and nothing otherwise than it was typed",
        "{sent} sent, {sent_again} more than once",
        [_Check("unsent", MISMATCH), _Check("altered", MISMATCH)],
    ),
    _Invariant(
        "I3",
        "the versions of each cell are 1 to n, each based on the one before",
        "{edits_in_history} edits in the history",
        [_Check("chain", DISORDER, needs_ledger=False)],
    ),
    _Invariant(
        "I4",
        "each cell shows the last applied edit of its chain",
        "{cells} cells",
        [_Check("current_value", MISMATCH, needs_ledger=False)],
    ),
    _Invariant(
        "I5",
        "every edit that was not applied is kept, and its author was told what became of it",
        "{open_conflicts} open conflicts, {settled_conflicts} settled, {rejected} rejected, {quarantined} quarantined",
        [_Check("untold", MISMATCH), _Check("mistold", MISMATCH)],
    ),
    _Invariant(
        "I6",
        "the edits of each client are numbered without gap, and applied in that order",
        "{clients} clients",
        [
            _Check("numbered_twice", TWICE, needs_ledger=False),
            _Check("disorder", DISORDER, needs_ledger=False),
            _Check("holes", LOST, needs_ledger=False),
            _Check("overstated", LOST),
        ],
    ),
    _Invariant(
        "I7",
        "what was acknowledged before another edit of the cell was sent comes before it",
        "{applied} applied",
        [_Check("real_time", DISORDER)],
    ),
    _Invariant(
        "I8",
        "a teacher is shown her own recorded edits, and never an older state than before",
        "{reads} snapshots",
        [_Check("own_writes", MISMATCH), _Check("went_back", MISMATCH)],
    ),
    _Invariant(
        "I9",
        "everything that was called recorded is in PostgreSQL",
        "{told_recorded} called recorded",
        [_Check("recorded_claims", LOST)],
    ),
)
UNKNOWN = _Invariant(
    "I11",
    "what was sent and never answered is stored once or not at all",
    "{unknown} without an answer, {unknown_stored} of them stored",
    [_Check("unknown_twice", TWICE)],
)


def statement(name: str) -> str:
    """Return a statement of ops/audit/sql."""
    return (_SQL / f"{name}.sql").read_text()


async def audit_stores(
    settings: Settings,
    ledgers: Sequence[Path],
    wait_s: float,
    say: Callable[[str], None],
    also: Callable[[Connection], Awaitable[None]] | None = None,
) -> Report:
    """Compare ledgers, journal and PostgreSQL. The journal is read first, so that what it hands over is not missed.

    `also` may ask more of the filled tables, in the same look at PostgreSQL. Writes temporary tables only. Raises
    InkfastError when a store is away, LedgerError when a ledger is unreadable.
    """
    topology = Topology(settings.redis_url)
    connection = await connect(settings.database_url, application_name="inkfast-audit", **SERVER_SETTINGS)
    try:
        await topology.learn()
        await connection.execute(statement("make_tables"))
        loader = LedgerLoader(connection)
        for path in ledgers:
            say(f"reading {path}")
            await loader.load(path)
        if loader.unended:
            say(f"{loader.unended} ledger(s) have no end: of what their clients did after that nothing is known")
        reader = JournalReader(DraftStore(topology), connection)
        waiting = await reader.wait_at_rest(wait_s)
        say("reading the journal")
        await reader.load()
        say("comparing")
        async with connection.transaction():
            report = await _compare(connection, reader, waiting, has_ledger=bool(ledgers))
            if also is not None:
                await also(connection)
            return report
    finally:
        await connection.close()
        topology.close()


async def _compare(connection: Connection, reader: JournalReader, waiting: int, *, has_ledger: bool) -> Report:
    await connection.execute(statement("derive_edits"))
    await connection.execute(statement("derive_stored"))
    await connection.execute(statement("index_tables"))
    counts = {**_figures(await connection.fetchrow(statement("count_edits")))}
    counts |= _figures(await connection.fetchrow(statement("count_records")))
    counts |= {"journal_entries": reader.entries, "journal_edits": reader.edits, "journal_cells": reader.cells}
    verdicts = [await _examine(connection, i, counts, has_ledger=has_ledger) for i in INVARIANTS]
    verdicts.append(await _examine_rest(connection, reader, counts, waiting))
    verdicts.append(await _examine(connection, UNKNOWN, counts, has_ledger=has_ledger))
    totals = {row["category"]: row["total"] for row in await connection.fetch(statement("count_broken"))}
    return Report(verdicts, counts, totals | {WAITING: waiting})


def _figures(row: Any) -> dict[str, int]:
    return dict(row)


async def _examine(
    connection: Connection, invariant: _Invariant, counts: Mapping[str, int], *, has_ledger: bool
) -> Verdict:
    violations: dict[str, int] = {}
    offending: list[Offence] = []
    needed = [check for check in invariant.checks if has_ledger or not check.needs_ledger]
    for check in needed:
        total, found = await _violations(connection, check)
        violations[check.category] = violations.get(check.category, 0) + total
        offending += found
    checked = invariant.checked.format_map(counts) if needed else ""
    return Verdict(invariant.name, invariant.title, checked, violations, offending[:OFFENDING_MAX])


async def _violations(connection: Connection, check: _Check) -> tuple[int, list[Offence]]:
    """Keep what breaks an invariant for the totals; return how many there are, and the first of them."""
    rows = await connection.fetch(statement("keep").format(check=statement(check.statement)), check.category)
    offending = [_offence(row["section_id"], row["edit_id"], row["detail"]) for row in rows]
    return (rows[0]["total"] if rows else 0), offending


async def _examine_rest(
    connection: Connection, reader: JournalReader, counts: Mapping[str, int], waiting: int
) -> Verdict:
    """I10: at rest the journal is empty and agrees with PostgreSQL. Suspects are looked at twice, as it may run."""
    offending: list[Offence] = []
    if waiting:
        held = f" ({reader.unknown_format} of a newer release's format)" if reader.unknown_format else ""
        offending.append(
            Offence(None, None, f"{waiting} entries{held} did not leave the journal in time: they are held, not lost")
        )
    stale, found = await _stale(connection, reader)
    violations = {LOST: stale, WAITING: waiting, MISMATCH: 0}
    offending += found
    for name in ("clean_heads", "journal_positions", "unreadable"):
        total, found = await _violations(connection, _Check(name, MISMATCH))
        violations[MISMATCH] += total
        offending += found
    checked = (
        f"{reader.edits} edits and {reader.cells} cells in the journal, {counts['in_quarantine']} edits in quarantine"
    )
    title = "at rest the journal is empty, and agrees with PostgreSQL"
    return Verdict("I10", title, checked, violations, offending[:OFFENDING_MAX])


async def _stale(connection: Connection, reader: JournalReader) -> tuple[int, list[Offence]]:
    """Keep what the journal claims to hold and does not, for the totals; return how many claims, and the first."""
    total, first = 0, []
    rows: list[tuple[str, int | None, str | None]] = []
    async for claim in _false_claims(connection, reader):
        total += 1
        if total <= OFFENDING_MAX:
            first.append(claim)
        rows.append((LOST, claim.section_id, claim.edit_id))
        if len(rows) >= CLAIMS_PER_COPY:
            await connection.copy_records_to_table("audit_broken", records=rows)
            rows.clear()
    await connection.copy_records_to_table("audit_broken", records=rows)
    return total, first


async def _false_claims(connection: Connection, reader: JournalReader) -> AsyncIterator[Offence]:
    async for row in connection.cursor(statement("marks")):
        if await reader.still_marked(row["section_id"], row["edit_id"]):
            yield _offence(row["section_id"], row["edit_id"], row["detail"])
    async for row in connection.cursor(statement("drafted_heads")):
        cell = (row["kind"], row["item"], row["student_id"])
        if await reader.still_drafted_head(row["section_id"], row["edit_id"], cell):
            yield _offence(row["section_id"], row["edit_id"], row["detail"])
    async for row in connection.cursor(statement("drafted_positions")):
        position = (row["drafted_seq"], row["recorded_seq"])
        if await reader.still_at(row["section_id"], row["user_id"], row["client_id"], position):
            words = f"client {row['client_id']} of user {row['user_id']} is told that {position[0]} edits are held, "
            words += f"{position[1]} are recorded, and none is in the journal"
            yield _offence(row["section_id"], row["edit_id"], words)


def _offence(section_id: int | None, edit_id: UUID | None, detail: str) -> Offence:
    return Offence(section_id, str(edit_id) if edit_id is not None else None, detail)
