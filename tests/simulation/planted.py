"""Bugs planted on purpose, in this process only: each has to be found, by the invariant that it breaks.

`patches` replace text in a Lua script (known by a phrase of it) as it is loaded; `replace` puts other functions in the
place of the product's.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

import asyncpg

from app.gradebook import write_directly
from app.gradebook.recording import direct, fences, positions, recorder
from app.model import chain
from app.model.chain import APPLIED, PARKED, Head, Verdict
from app.records.leases import Held
from tests.simulation import audit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ACCEPT, _DRAIN = "-- queued -> drafted", "-- After PostgreSQL has committed"
SETTLES = "everything settles"
ERRORS = "no unexpected errors"
COVERS = "positions cover only what is stored"
RECORDED = "recorded means committed"
DURABLE = "an answer means durable"
FENCED = "only the holder of a lease commits"
HOLES = "edits of a client are recorded in order"
Replacement = tuple[Any, str, "Callable[[Any], Any]"]  # where, what, and how to make the other from the product's


class Bug(NamedTuple):
    """A planted bug, and the invariants by any of which it may be found first."""

    name: str
    part: str
    found_by: frozenset[str]
    first: int = 0  # a seed from which on it is found soon
    patches: tuple[tuple[str, str, str], ...] = ()  # script, old, new
    replace: tuple[Replacement, ...] = ()

    @contextmanager
    def planted(self) -> Iterator[None]:
        with ExitStack() as stack:
            for where, what, make in self.replace:
                stack.enter_context(mock.patch.object(where, what, make(getattr(where, what))))
            yield


def _passes_everything(moved: Any) -> Any:
    """The position goes to the highest number, whatever is missing below it."""

    def wrong(batch: Any, now: Any, verdicts: Any) -> Any:
        found = moved(batch, now, verdicts)
        for key, row in found.items():
            highest = max(
                e.seq for _, entry in batch.entries if positions.client_key(entry) == key for e in entry.edits
            )
            found[key] = row._replace(recorded_seq=max(row.recorded_seq, highest), ahead=())
        return found

    return wrong


def _never_missing(judge: Any) -> Any:
    """Whatever its base, an edit is applied on what stands: the last one wins."""

    def wrong(edit: Any, head: Head, known: Any) -> Verdict:
        verdict: Verdict = judge(edit, head, known)
        if verdict.status == "C" and not verdict.is_duplicate:
            return Verdict(APPLIED, head.cell_version + 1, head.edit_id)
        return verdict

    return wrong


def _without_lease(_: Any) -> Any:
    """What comes back is not compared with what was asked for."""

    async def wrong(self: Any, connection: Any, batch: Any) -> Held:
        held = await fences.touch_leases(connection, self._owner, self.epochs, self._lease_ms, batch.rows_by_partition)
        return Held(set(self.epochs), self.incarnation, held.parked)

    return wrong


def _before_commit(_: Any) -> Any:
    async def wrong(self: Any, batch: Any, fence: Any, write: Any) -> Any:
        transaction = self._connection.transaction()
        await transaction.start()
        done = await write(batch, await fence.hold(self._connection, batch))
        asyncio.get_running_loop().create_task(_quietly(self._connection.ask("commit")))
        return done

    return wrong


async def _quietly(waiting: Any) -> None:
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError):
        await waiting


def _ignores_gaps(expected: Any) -> Any:
    def wrong(before: Any, entries: Any) -> Any:
        return dict.fromkeys(expected(before, entries), 1 << 30)

    return wrong


def _never_parks(judge: Any) -> Any:
    """An edit whose base is not known is applied on what stands."""

    def wrong(edit: Any, head: Head, known: Any) -> Verdict:
        verdict: Verdict = judge(edit, head, known)
        if verdict.status == PARKED:
            return Verdict(APPLIED, head.cell_version + 1, head.edit_id)
        return verdict

    return wrong


def _conflicts_at_once(judge: Any) -> Any:
    """An edit whose base is not known is a conflict, although its base may be on its way."""

    def wrong(edit: Any, head: Head, known: Any) -> Verdict:
        verdict: Verdict = judge(edit, head, known)
        return verdict._replace(status="C") if verdict.status == PARKED else verdict

    return wrong


def _never_refreshes(_: Any) -> Any:
    async def wrong(self: Any, section_id: int) -> None:
        self.written.discard(section_id)

    return wrong


def _parked_is_settled(moved: Any) -> Any:
    """The position passes a parked edit as if it had been judged."""

    def wrong(batch: Any, now: Any, verdicts: Any) -> Any:
        return moved(batch, now, None if verdicts is None else [v._replace(status="C") for v in verdicts])

    return wrong


BUGS = (
    Bug(
        "accept does not look for gaps",
        "accept",
        frozenset({HOLES, audit.NOTHING_LOST, SETTLES, COVERS, audit.TOLD, audit.ALONE}),
        first=130,
        patches=((_ACCEPT, "if n > 0 and first > s.drafted + 1 then", "if false then"),),
    ),
    Bug(
        "accept does not recognise a duplicate",
        "accept",
        frozenset({audit.TOLD, audit.AT_REST, audit.EXACTLY_ONCE, SETTLES, ERRORS}),
        first=24,
        patches=((_ACCEPT, "  if u then\n    if seq >", "  if false then\n    if seq >"),),
    ),
    Bug(
        "accept trusts what PostgreSQL knew before",
        "accept",
        frozenset({audit.TOLD, audit.ALONE}),
        first=105,
        patches=((_ACCEPT, "if recorded_version > (theirs and theirs.version or 0) then", "if false then"),),
    ),
    Bug(
        "accept does not move the head",
        "accept",
        frozenset({audit.TOLD, audit.AT_REST, audit.ALONE}),
        patches=((_ACCEPT, "  write(s, 'h' .. s.cells[i], raw)\n", ""),),
    ),
    Bug(
        "accept answers what it has not journaled",
        "accept",
        frozenset({HOLES, audit.NOTHING_LOST, SETTLES, COVERS, DURABLE, audit.AT_REST}),
        patches=((_ACCEPT, "  if #s.entry > 0 then", "  if #s.entry > 0 and s.drafted % 4 ~= 0 then"),),
    ),
    Bug(
        "the position passes what is not recorded",
        "flush",
        frozenset({COVERS, audit.NOTHING_LOST}),
        replace=((recorder, "moved_positions", _passes_everything),),
    ),
    Bug(
        "the last one wins",
        "flush",
        frozenset({audit.OVERWRITE, audit.TOLD}),
        replace=((chain, "judge", _never_missing),),
    ),
    Bug(
        "a flusher commits without its lease",
        "flush",
        frozenset({FENCED}),
        first=34,
        replace=((fences.LeaseFence, "hold", _without_lease),),
    ),
    Bug(
        "the drain does not compare the edit",
        "drain",
        frozenset({audit.NOTHING_LOST, audit.AT_REST, SETTLES, ERRORS, DURABLE, audit.TOLD}),
        first=93,
        patches=(
            (_DRAIN, "sub(entry[2][2], 1, 46) ~= header", "false"),
            (_DRAIN, "sub(entry[2][2], FIRST_EDIT_ID, FIRST_EDIT_ID + 15) ~= first", "false"),
        ),
    ),
    Bug(
        "the drain leaves a refused head standing",
        "drain",
        frozenset({audit.AT_REST, audit.TOLD, audit.ALONE}),
        first=8,
        patches=(
            (
                _DRAIN,
                "raw = head ~= '' and head\n      end",
                "raw = pack('>I1I1I4', 1, 0, version) .. sub(raw, 7)\n      end",
            ),
            (_DRAIN, "if with_head == 2 then raw = healed(key, raw, head) end", ""),
        ),
    ),
    Bug(
        "recorded is answered before COMMIT",
        "mode switch",
        frozenset({RECORDED, COVERS, DURABLE, audit.CHAINS}),
        replace=((recorder.Recorder, "_transact", _before_commit),),
    ),
    Bug(
        "the direct path does not look for gaps",
        "mode switch",
        frozenset(
            {HOLES, audit.ORDER, audit.OVERWRITE, audit.NOTHING_LOST, COVERS, SETTLES, audit.TOLD, audit.AT_REST}
        ),
        replace=((direct, "_expected", _ignores_gaps),),
    ),
    Bug(
        "an edit on an unknown base is applied",
        "mode switch",
        frozenset({audit.OVERWRITE}),
        replace=((chain, "judge", _never_parks),),
    ),
    Bug(
        "the position passes a parked edit",
        "mode switch",
        frozenset({COVERS}),
        replace=((recorder, "moved_positions", _parked_is_settled),),
    ),
    Bug(
        "stale heads are not refreshed",
        "mode switch",
        frozenset({audit.AT_REST}),
        first=28,
        replace=((write_directly.WriteDirectly, "refresh", _never_refreshes),),
    ),
)
