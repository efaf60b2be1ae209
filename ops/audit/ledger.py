"""Reads a client ledger (docs/ledger.md) into the audit's tables, line by line, whatever its size."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import asyncpg

from app.model.kinds import KIND_OF_NAME, ValueRejectedError, as_sent, canonical, parse_value
from ops.audit.compact import CompactReader
from ops.processes import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.records.pool import Connection

FORMATS = (1, 2)  # 2: compact (compact.py)
ROWS_PER_COPY = 10_000


class LedgerError(ServerError):
    """The file is no ledger, or a line of it cannot be read."""


class LedgerLoader:
    """Copies ledgers into the temporary tables of one connection (make_tables.sql)."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self._compact = CompactReader(self._rows)
        self._reads = 0
        self._last = ""
        self.lines = 0
        self.unended = 0  # ledgers without their last line: what their clients wrote after it is not known

    async def load(self, path: Path) -> None:
        """Copy one file. A last line without its end was cut off by a crash and is left out; all others are whole.

        One that does not begin as a ledger is refused: against an empty one everything would be well.
        """
        self._compact.begin()
        self._last = ""
        number, lines_before = 0, self.lines
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    self._last = ""
                    break
                try:
                    self._take_line(number, line)
                except (ValueError, KeyError, TypeError, RecursionError) as error:
                    raise LedgerError(f"{path}, line {number}: {type(error).__name__} {error}") from None
                self.lines += 1
                if any(len(rows) >= ROWS_PER_COPY for rows in self._rows.values()):
                    await self._copy(path, number)
        if self.lines == lines_before:
            raise LedgerError(f"{path} has not one whole line: that is no ledger")
        await self._copy(path, number)
        self.unended += self._last != "end"

    def _take_line(self, number: int, line: bytes) -> None:
        if line.startswith(b"[") and number > 1:
            self._last = ""
            self._compact.take(line)
            return
        event = json.loads(line)
        if number == 1 and not (isinstance(event, dict) and event.get("event") == "run"):
            raise ValueError("a ledger begins with the event `run`")
        self._last = event["event"]
        self._take(event)

    async def _copy(self, path: Path, number: int) -> None:
        for table, rows in self._rows.items():
            try:
                await self._connection.copy_records_to_table(table, records=rows)
            except (ValueError, OverflowError, asyncpg.DataError) as error:
                raise LedgerError(f"{path}, in or before line {number}: {error}") from None
            rows.clear()

    def _take(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "typed":
                self._typed(event)
            case "sent":
                if event["first_seq"]:
                    row = (*_client(event), event["first_seq"], event["last_seq"], event["t"])
                    self._rows["audit_sent"].append(row)
            case "answered":
                self._answered(event)
            case "read":
                self._read(event)
            case "run":
                if event["format"] not in FORMATS:
                    raise ValueError(f"format {event['format']}, and this release reads {FORMATS}")
            case "failed" | "end":
                pass
            case other:
                raise ValueError(f"unknown event {other}")

    def _typed(self, event: dict[str, Any]) -> None:
        kind = KIND_OF_NAME[event["kind"]]
        self._rows["audit_typed"].append(
            (
                *_client(event),
                event["user_id"],
                event["seq"],
                event["edit_id"],
                event["t"],
                int(kind),
                event["item"],
                event["student"],
                event["base"],
                _stored_value(kind, event["value"]),
                event.get("resolves") or None,
                int(dt.datetime.fromisoformat(event["entered_at"]).timestamp() * 1000),
            )
        )

    def _answered(self, event: dict[str, Any]) -> None:
        client, t = _client(event), event["t"]
        self._rows["audit_answer"].append((*client, t, event["drafted_seq"], event["recorded_seq"]))
        outcomes: Iterable[tuple[Any, ...]] = (
            (*client, edit_id, t, outcome, code, False) for edit_id, outcome, code, _ in event["outcomes"]
        )
        exceptions = ((*client, edit_id, t, outcome, code, True) for edit_id, _, outcome, code in event["exceptions"])
        self._rows["audit_outcome"] += outcomes
        self._rows["audit_outcome"] += exceptions

    def _read(self, event: dict[str, Any]) -> None:
        self._reads += 1
        section_id, client_id = _client(event)
        head = (self._reads, section_id, event["user_id"], client_id, event["asked_at"], event["t"])
        rows = self._rows["audit_shown"]
        for kind, item, student, edit_id, _, state in event["cells"]:
            rows.append((*head, int(KIND_OF_NAME[kind]), item, student, edit_id, state))
        if not event["cells"]:
            rows.append((*head, None, None, None, None, None))


def _client(event: dict[str, Any]) -> tuple[int, str]:
    return event["section_id"], event["client_id"]


def _stored_value(kind: int, value: Any) -> str:
    """Return the form in which the service stores this value: canonical, or, where it is refused, as its own text."""
    raw = json.dumps(value).encode()
    try:
        return canonical(parse_value(kind, raw)).decode()
    except ValueRejectedError:
        return as_sent(raw).decode()
