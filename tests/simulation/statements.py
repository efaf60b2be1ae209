"""What each statement of app/records/sql does to the tables: one small function per file, under its name."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import asyncpg

from tests.simulation.tables import GONE, NO_ID, Transaction, as_uuid, ids, jsonb, numbers, shape, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.simulation.tables import Row

YEAR = 2026
STUDENTS = (101, 102)
OWN = range(200, 210)  # the students of one tab each
ITEMS = {7001: 20}  # line item: highest score
POISON_SCORE = '"13.13"'  # what this PostgreSQL refuses to store
_ONE = shape("value")
_FULL = shape("section_id kind item student_id cell_version edit_id author_id entered_ms value")
_COLUMN = shape("kind item student_id cell_version edit_id author_id entered_ms value")
_CONTEXT = shape(
    "school_year recorded_seq has_exceptions kinds items students versions edit_ids authors moments cell_values"
    " recorded_kinds recorded_items found_ids found_statuses found_authors found_bases found_versions found_codes"
    " found_params"
)


class Statements:
    """`now` tells the seconds of this server's clock."""

    def __init__(self, sections: Sequence[int], now: Callable[[], float]) -> None:
        self._sections = frozenset(sections)
        self._now = now

    # Leases

    def release_leases(self, tx: Transaction, owner: Any, partitions: Any) -> list[Row]:
        own = [p for p, row in tx.scan("flush_partition") if row["owner"] == owner and p in partitions]
        for partition in sorted(own):
            self._partition(tx, partition, owner=None, until=None)
        return [_ONE((p,)) for p in own]

    def announce_flusher(self, tx: Transaction, owner: Any, lease_ms: int) -> list[Row]:
        for other, until in list(tx.scan("flusher")):
            if until < self._now() - 60:
                tx.put("flusher", other, GONE)
        tx.put("flusher", owner, self._now() + lease_ms / 1000)
        return []

    def count_flushers(self, tx: Transaction) -> list[Row]:
        return [_ONE((sum(until >= self._now() for _, until in tx.scan("flusher")),))]

    def renew_leases(self, tx: Transaction, owner: Any, partitions: Any, epochs: Any, lease_ms: int) -> list[Row]:
        found = []
        for partition, epoch in zip(partitions, epochs, strict=True):
            row = tx.get("flush_partition", partition)
            if (row["owner"], row["epoch"]) == (owner, epoch):
                row = self._partition(tx, partition)
                if (row["owner"], row["epoch"]) == (owner, epoch):
                    self._partition(tx, partition, until=self._now() + lease_ms / 1000)
                    found.append(_ONE((partition,)))
        return found

    def take_leases(self, tx: Transaction, owner: Any, count: int, lease_ms: int) -> list[Row]:
        found: list[Row] = []
        for partition, row in sorted(tx.scan("flush_partition")):
            is_free = row["owner"] is None or row["until"] < self._now()
            if len(found) < count and is_free and not tx.is_locked("flush_partition", partition):
                epoch = row["epoch"] + 1
                self._partition(tx, partition, owner=owner, epoch=epoch, until=self._now() + lease_ms / 1000)
                found.append(_ONE((partition, epoch)))
        return found

    def touch_leases(
        self, tx: Transaction, owner: Any, partitions: Any, epochs: Any, lease_ms: int, rows: Any
    ) -> list[Row]:
        found = []
        for partition, epoch, _ in zip(partitions, epochs, rows, strict=True):
            row = self._partition(tx, partition)
            if (row["owner"], row["epoch"]) == (owner, epoch):
                self._partition(tx, partition, until=self._now() + lease_ms / 1000)
                found.append(_ONE((partition, tx.get("installation", 0), row["parked"])))
        tx.leases = [(owner, p, epoch) for p, epoch in zip(partitions, epochs, strict=True)]
        return found

    def hold_partitions(self, tx: Transaction, partitions: Any, rows: Any) -> list[Row]:
        return [
            _ONE((p, self._partition(tx, p)["parked"], tx.get("installation", 0)))
            for p, _ in sorted(zip(partitions, rows, strict=True))
        ]

    def retire_flusher(self, tx: Transaction, owner: Any) -> list[Row]:
        tx.put("flusher", owner, GONE)
        return self.release_leases(tx, owner, [p for p, _ in tx.scan("flush_partition")])

    def read_incarnation(self, tx: Transaction) -> list[Row]:
        return [_ONE((tx.get("installation", 0),))]

    def count_parked(self, tx: Transaction, partitions: Any, moved: Any) -> list[Row]:
        for partition, by in zip(partitions, moved, strict=True):
            row = self._partition(tx, partition)
            self._partition(tx, partition, parked=max(0, row["parked"] + by))
        return []

    def _partition(self, tx: Transaction, partition: int, **changed: Any) -> dict[str, Any]:
        """Lock a partition's row; return it as it is then, changed."""
        tx.lock("flush_partition", partition)
        row: dict[str, Any] = {**tx.get("flush_partition", partition), **changed}
        tx.put("flush_partition", partition, row)
        return row

    # Sections

    def read_school_years(self, _: Transaction, sections: Any) -> list[Row]:
        return [_ONE((s, YEAR)) for s in sections if s in self._sections]

    def read_section_rules(self, _: Transaction, sections: Any) -> list[Row]:
        columns = shape("section_id school_year students line_items lows highs extra_credit reserved")
        lows, highs = [Decimal(0)] * len(ITEMS), [Decimal(high) for high in ITEMS.values()]
        known = [[*STUDENTS, *OWN], [*ITEMS], lows, highs, [False] * len(ITEMS), None]
        return [columns((s, YEAR, *known)) for s in sections if s in self._sections]

    # Cells

    def read_heads(self, tx: Transaction, *cells: str) -> list[Row]:
        found = []
        for key in zip(*map(numbers, cells), strict=True):
            row = tx.get("cell", key)
            if row is not None:
                found.append(_ONE((*key, row["cell_version"], as_uuid(row["edit_id"]))))
        return found

    def read_full_heads(self, tx: Transaction, *cells: Any) -> list[Row]:
        wanted = zip(*cells, strict=True)
        return [_FULL((*key, *_current(row))) for key in wanted if (row := tx.get("cell", key)) is not None]

    def read_columns(self, tx: Transaction, section: int, kinds: Any, items: Any) -> list[Row]:
        wanted = set(zip(kinds, items, strict=True))
        cells = tx.scan("cell")
        return [_COLUMN((*key[1:], *_current(r))) for key, r in cells if key[0] == section and key[1:3] in wanted]

    def read_context(self, tx: Transaction, section: int, user: int, client: Any, *wanted: Any) -> list[Row]:
        seen, kinds, items, edits, links = wanted
        if section not in self._sections:
            return []
        who = f"{{{section}}}", f"{{{user}}}", f"{{{client.hex}}}"
        position = self.read_client_positions(tx, *who)
        untold = self.read_edit_exceptions(tx, *who, f"{{{seen}}}", 1)
        columns = self.read_columns(tx, section, kinds, items)
        heads = _turned([[*r[:4], r["edit_id"].bytes, *r[5:]] for r in columns], 8)
        held = dict.fromkeys(key[1:3] for key, _ in tx.scan("cell") if key[0] == section)
        ended = self.find_edits_with_bases(tx, [YEAR] * len(edits), [section] * len(edits), edits, links)
        found = [
            [r["edit_id"].bytes, r["status"], r["author_id"], r["base_id"] and r["base_id"].bytes, *r[5:]]
            for r in ended
        ]
        seq = position[0][3] if position else None
        return [_CONTEXT((YEAR, seq, bool(untold), *heads, *_turned(held, 2), *_turned(found, 7)))]

    def apply_edits(self, tx: Transaction, *columns: str) -> list[Row]:
        for key, row in sorted(_cells(columns).items()):
            tx.lock("cell", key)
            now = tx.get("cell", key)
            if now is None or now["cell_version"] < row["cell_version"]:
                tx.put("cell", key, row)
        return []

    def move_claimed_cells(self, tx: Transaction, *columns: str) -> list[Row]:
        claims = zip(ids(columns[9]), numbers(columns[10]), strict=True)
        moved = 0
        for (key, row), (claimed_id, claimed_version) in zip(_cells(columns[:9]).items(), claims, strict=True):
            tx.lock("cell", key)
            now = tx.get("cell", key)
            if now is not None and (now["edit_id"], now["cell_version"]) == (claimed_id, claimed_version):
                tx.put("cell", key, row)
                moved += 1
        return [_ONE((moved,))]

    def copy_cell(self, tx: Transaction, rows: list[dict[str, Any]]) -> list[Row]:
        for row in rows:
            key = (row["section_id"], row["kind"], row["item"], row["student_id"])
            _insert(tx, "cell", key, {**row, "entered_ms": row["entered_at"]})
        return []

    # History

    def copy_edit_log(self, tx: Transaction, rows: list[dict[str, Any]]) -> list[Row]:
        for row in rows:
            if POISON_SCORE in (row["value"] or ""):
                raise asyncpg.UntranslatableCharacterError("this cannot be stored")
            _insert(tx, "edit_log", (row["school_year"], row["section_id"], row["edit_id"]), row)
            if row["status"] == "A":
                _insert(tx, "chain", _link(row), row["edit_id"])
        return []

    def find_edits(self, tx: Transaction, years: Any, sections: Any, wanted: Any) -> list[Row]:
        columns = shape("section_id edit_id status author_id base_id cell_version code params")
        found = []
        for key in zip(years, sections, ids(wanted), strict=True):
            row = tx.get("edit_log", key)
            if row is not None:
                said = row["status"], row["author_id"], as_uuid(row["base_id"])
                found.append(columns((key[1], as_uuid(key[2]), *said, row["cell_version"], row["code"], row["params"])))
        asked = set(zip(sections, ids(wanted), strict=True))
        for _, q in tx.scan("edit_quarantine"):
            if (q["section_id"], q["edit_id"]) in asked and len(q["raw"]) >= 51:
                base = q["raw"][35:51]
                who = q["user_id"], as_uuid(None if base == NO_ID else base)
                found.append(columns((q["section_id"], as_uuid(q["edit_id"]), "Q", *who, None, q["code"], None)))
        return found

    def find_edits_with_bases(self, tx: Transaction, years: Any, sections: Any, wanted: Any, limit: int) -> list[Row]:
        keys = list(zip(years, sections, ids(wanted), strict=True))
        for year, section, edit_id in keys:  # it grows meanwhile
            for row in self.find_edits(tx, [year], [section], [as_uuid(edit_id)]):
                if (
                    row["status"] != "A"
                    and row["base_id"]
                    and (key := (year, section, row["base_id"].bytes)) not in keys
                ):
                    keys.append(key)
        keys = keys[:limit]
        return self.find_edits(tx, [k[0] for k in keys], [k[1] for k in keys], [as_uuid(k[2]) for k in keys])

    def settle_conflicts(self, tx: Transaction, years: Any, edits: Any, *cells: Any) -> list[Row]:
        for year, edit_id, section, *cell in zip(years, ids(edits), *cells, strict=True):
            row = tx.get("edit_log", (year, section, edit_id))
            if row is not None and [row["kind"], row["item"], row["student_id"]] == cell and row["status"] == "C":
                tx.put("edit_log", (year, section, edit_id), {**row, "status": "S"})
        return []

    def read_parked_edits(self, tx: Transaction, sections: Any) -> list[Row]:
        columns = shape(
            "school_year section_id edit_id kind item student_id base_id author_id client_id client_seq entered_ms"
            " value resolves"
        )
        rows = [row for key, row in tx.scan("edit_log") if key[1] in sections and row["status"] == "P"]
        return [
            columns(
                (
                    *(r["school_year"], r["section_id"], as_uuid(r["edit_id"]), r["kind"], r["item"], r["student_id"]),
                    *(as_uuid(r["base_id"]), r["author_id"], as_uuid(r["client_id"]), r["client_seq"], r["entered_at"]),
                    *(r["value"], [as_uuid(i) for i in r["resolves"] or ()]),
                )
            )
            for r in rows
        ]

    def park_edits(self, tx: Transaction, years: Any, sections: Any, ids: Any) -> list[Row]:
        for year, section, edit_id in zip(years, sections, ids, strict=True):
            if tx.get("edit_log", (year, section, edit_id.bytes))["status"] != "P":
                raise AssertionError("listed as parked, and is not")
        return []

    def unpark_edits(self, tx: Transaction, *columns: Any) -> list[Row]:
        for year, section, edit, status, version, base, code, params in zip(*columns, strict=True):
            key = (year, section, edit.bytes)
            row = tx.get("edit_log", key)
            if row is None or row["status"] != "P":
                continue
            row = {**row, "status": status, "cell_version": version, "code": code, "params": jsonb(params)}
            row["base_id"] = None if base is None else base.bytes
            tx.put("edit_log", key, row)
            if status == "A":
                _insert(tx, "chain", _link(row), row["edit_id"])
        return []

    def quarantine_edits(self, tx: Transaction, *columns: Any) -> list[Row]:
        names = ("section_id", "edit_id", "user_id", "client_id", "client_seq", "code", "sqlstate", "message", "raw")
        for values in zip(*columns[:9], strict=True):
            row = dict(zip(names, values, strict=True))
            row |= {name: row[name].bytes if row[name] else None for name in ("edit_id", "client_id")}
            number = max((key for key, _ in tx.scan("edit_quarantine")), default=0) + 1
            tx.put("edit_quarantine", number, row)
        return []

    # Clients

    def read_client_positions(self, tx: Transaction, *clients: str) -> list[Row]:
        found = []
        for section, user, client in zip(numbers(clients[0]), numbers(clients[1]), ids(clients[2]), strict=True):
            row = tx.get("client_position", (section, user, client))
            if row is not None:
                found.append(_ONE((section, user, as_uuid(client), *row)))
        return found

    def write_client_positions(self, tx: Transaction, *columns: str) -> list[Row]:
        keys = zip(numbers(columns[0]), numbers(columns[1]), ids(columns[2]), strict=True)
        rows = zip(keys, numbers(columns[3]), texts(columns[4]), strict=True)
        for key, recorded, ahead in sorted(rows):
            tx.put("client_position", key, (recorded, numbers(ahead)))
        return []

    def write_edit_exceptions(self, tx: Transaction, *columns: Any) -> list[Row]:
        for section, user, client, seq, edit, outcome, code, params, head in zip(*columns, strict=True):
            key = (section, user, client.bytes, edit.bytes)
            tx.lock("edit_exception", key)
            if tx.get("edit_exception", key) is None:
                tx.put("edit_exception", key, (seq, edit, outcome, code, params, head))
        return []

    def read_edit_exceptions(self, tx: Transaction, *clients: Any) -> list[Row]:
        *columns, limit = clients
        keys = zip(numbers(columns[0]), numbers(columns[1]), ids(columns[2]), strict=True)
        seen = dict(zip(keys, numbers(columns[3]), strict=True))
        rows = [(key, row) for key, row in tx.scan("edit_exception") if int(row[0]) > seen.get(key[:3], 1 << 31)]
        rows.sort(key=lambda found: int(found[1][0]))
        first = [(key, row) for at, (key, row) in enumerate(rows) if _before(rows[:at], key) < limit]
        return [_ONE((*key[:2], as_uuid(key[2]), *row)) for key, row in first]


def _turned(rows: Iterable[Sequence[Any]], columns: int) -> Sequence[Any]:
    """Rows as columns, as `array_agg` gives them; of no rows, nothing."""
    return list(zip(*rows, strict=True)) or [None] * columns


def _before(rows: list[Any], of: Any) -> int:
    return sum(key[:3] == of[:3] for key, _ in rows)


def _current(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["cell_version"], as_uuid(row["edit_id"]), row["author_id"], row["entered_ms"], row["value"]


def _cells(columns: Sequence[str]) -> dict[Any, dict[str, Any]]:
    sections, kinds, items, students, versions = map(numbers, columns[:5])
    rest = zip(versions, ids(columns[5]), texts(columns[6]), numbers(columns[7]), numbers(columns[8]), strict=True)
    names = ("cell_version", "edit_id", "value", "author_id", "entered_ms")
    rows = [dict(zip(names, values, strict=True)) for values in rest]
    for row in rows:
        row["value"] = jsonb(row["value"])
    return dict(zip(zip(sections, kinds, items, students, strict=True), rows, strict=True))


def _link(row: dict[str, Any]) -> tuple[Any, ...]:
    cell = row["section_id"], row["kind"], row["item"], row["student_id"]
    return (row["school_year"], *cell, row["cell_version"])


def _insert(tx: Transaction, table: str, key: Any, row: Any) -> None:
    tx.lock(table, key)
    if tx.get(table, key) is not None:
        raise asyncpg.UniqueViolationError(f"{table} {key} is there already")
    tx.put(table, key, row)


def incarnation(number: int) -> uuid.UUID:
    return uuid.UUID(int=number)
