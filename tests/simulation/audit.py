"""At rest: nothing lost, nothing twice, chains without gaps, nobody overwritten unawares, everybody told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from app.drafts.keys import STREAM
from tests.simulation.tables import NO_ID

if TYPE_CHECKING:
    from tests.simulation.book import Typed
    from tests.simulation.district import District

NOTHING_LOST = "nothing is lost"
EXACTLY_ONCE = "exactly once"
CHAINS = "chains have no gap"
OVERWRITE = "no silent overwrite"
TOLD = "authors are told"
ORDER = "own edits keep their order"
REAL_TIME = "real-time order"
ALONE = "nobody conflicts with themselves"
AT_REST = "at rest the journal agrees"


class Audit:
    """One district at rest."""

    def __init__(self, district: District) -> None:
        self._d = district
        tables = district.records.tables.rows
        self._log: dict[bytes, dict[str, Any]] = {}
        for (_, _, edit_id), row in tables["edit_log"].items():
            if edit_id in self._log:
                district.violated(EXACTLY_ONCE, edit_id.hex())
            self._log[edit_id] = row
        self._aside = {row["edit_id"] for row in tables["edit_quarantine"].values()}
        self._cells = tables["cell"]
        self._tables = tables
        self._went_past = any(row["path"] == "d" for row in self._log.values())

    def run(self) -> None:
        for edit in self._d.book.edits.values():
            self._check_kept(edit)
        for edit_id in self._log.keys() - self._d.book.edits.keys():
            self._d.violated(EXACTLY_ONCE, f"nobody typed {edit_id.hex()}")
        self._check_chains()
        self._check_alone()
        self._check_rest()

    def _check_kept(self, edit: Typed) -> None:
        row, name = self._log.get(edit.edit_id), edit.edit_id.hex()[:8]
        if row is None:
            if edit.edit_id not in self._aside:
                self._d.violated(NOTHING_LOST, f"{name}, told {edit.told}")
            elif not {"quarantined", "rejected", "conflict"} & set(edit.told):
                self._d.violated(TOLD, f"{name} is set aside, told {edit.told}")
            return
        if edit.edit_id in self._aside:
            self._d.violated(EXACTLY_ONCE, f"{name} is recorded and set aside")
        typed = edit.user_id, edit.section_id, *edit.cell, edit.value
        found = row["author_id"], row["section_id"], row["item"], row["student_id"], json.loads(row["value"])
        if typed != found:
            self._d.violated(EXACTLY_ONCE, f"{name} was altered: {typed} {found}")
        self._check_told(edit, row, name)

    def _check_told(self, edit: Typed, row: dict[str, Any], name: str) -> None:
        final = {"A": {"drafted", "recorded"}, "R": {"rejected"}}.get(row["status"], {"conflict"})
        if row["status"] == "P":
            self._d.violated(TOLD, f"{name} is still parked")
        # After a lost journal an edit is judged anew, and an answer may have said the old verdict.
        heard = edit.answered if self._d.journal.has_lost else set(edit.told)
        # Two sendings of one save may be judged on two paths at once: by a journal that is back, and by the transaction
        # of an earlier request, whose answer nobody waits for any more.
        if row["status"] == "A" and self._went_past:
            final |= {"conflict"}
        if not final & heard:
            self._d.violated(TOLD, f"{name} is {row['status']}, told {edit.told}")
        if row["status"] != "A" and "recorded" in edit.answered:
            self._d.violated(TOLD, f"{name} is {row['status']}, told {edit.told}")
        # What the journal held while it was away may meet what went past it, and is judged anew.
        if row["status"] == "A" and not self._went_past and not self._d.journal.has_lost and not edit.answered <= final:
            self._d.violated(TOLD, f"{name} was applied, told {edit.told}")

    def _check_chains(self) -> None:
        chains: dict[tuple[int, ...], list[dict[str, Any]]] = {}
        for row in self._log.values():
            if row["status"] == "A":
                cell = (row["section_id"], row["kind"], row["item"], row["student_id"])
                chains.setdefault(cell, []).append(row)
        for cell, chain in chains.items():
            chain.sort(key=lambda row: int(row["cell_version"]))
            if [row["cell_version"] for row in chain] != list(range(1, len(chain) + 1)):
                self._d.violated(CHAINS, f"{cell}: {[row['cell_version'] for row in chain]}")
            if [row["base_id"] for row in chain] != [None, *[row["edit_id"] for row in chain[:-1]]]:
                self._d.violated(CHAINS, f"{cell}: a base is not the edit before")
            head = self._cells.get(cell)
            last = chain[-1]
            if head is None or (head["edit_id"], head["value"]) != (last["edit_id"], last["value"]):
                self._d.violated(CHAINS, f"{cell}: what stands is not the last of its chain")
            self._check_links(chain)
        for cell in self._cells.keys() - chains.keys():
            self._d.violated(CHAINS, f"{cell} has no chain")

    def _check_alone(self) -> None:
        """Where nobody else types, nothing is a conflict: each edit was typed on what its own tab typed before.

        Except after a loss of the journal, where PostgreSQL was taken for away for one save at least, because it was,
        or because it was too slow: what hung on what was lost may have been accepted before its base came again.
        """
        if self._d.journal.has_lost and self._d.has_saved_without_records:
            return
        tabs: dict[tuple[int, ...], set[object]] = {}
        for edit in self._d.book.edits.values():
            tabs.setdefault((edit.section_id, *edit.cell), set()).add(edit.tab)
        for edit in self._d.book.edits.values():
            row = self._log.get(edit.edit_id)
            if row is not None and row["status"] in "CS" and len(tabs[edit.section_id, *edit.cell]) == 1:
                self._d.violated(ALONE, edit.edit_id.hex()[:8])

    def _check_links(self, chain: list[dict[str, Any]]) -> None:
        """Each edit stands on what its author saw, or on what an own edit that never applied was typed on."""
        edits = self._d.book.edits
        latest_heard: list[tuple[float, float]] = []
        numbers: dict[object, int] = {}
        for before, row in zip([None, *chain], chain, strict=False):
            edit = edits.get(row["edit_id"])
            if edit is None:
                continue
            standing = before["edit_id"] if before else NO_ID
            if not self._stands_on(edit, standing):
                self._d.violated(OVERWRITE, f"{edit.edit_id.hex()[:8]} on {standing.hex()[:8]}")
            if edit.tab is not None:
                if numbers.get(edit.tab, -1) > edit.number:
                    self._d.violated(ORDER, edit.edit_id.hex()[:8])
                numbers[edit.tab] = edit.number
            if edit.heard_s is not None:
                latest_heard.append((edit.typed_s, edit.heard_s))
        if not self._d.journal.has_lost:
            for at, (typed_s, _) in enumerate(latest_heard):
                if any(heard_s < typed_s for _, heard_s in latest_heard[at + 1 :]):
                    self._d.violated(REAL_TIME, "an edit overtook one that was acknowledged before it was typed")

    def _stands_on(self, edit: Typed, standing: bytes) -> bool:
        base = edit.base or NO_ID
        for _ in range(50):
            if base == standing:
                return True
            own, row = self._d.book.edits.get(base), self._log.get(base)
            if own is None or own.user_id != edit.user_id or (row is not None and row["status"] == "A"):
                return False
            base = own.base or NO_ID
        return False

    def _check_rest(self) -> None:
        data = self._d.journal.data
        for stream in STREAM:
            if data.streams.get(stream):
                self._d.violated(AT_REST, f"{len(data.streams[stream])} entries in {stream.decode()}")
        for key, fields in data.hashes.items():
            section_id = int(key.rsplit(b":", 1)[1])
            for field, raw in fields.items():
                if field[:1] == b"u":
                    self._d.violated(AT_REST, f"an un-recorded edit {field[1:].hex()[:8]}")
                elif field[:1] == b"h":
                    self._check_head(section_id, field[1:], raw)
                elif field[:1] == b"c":
                    self._check_position(section_id, field[1:], raw)
        for partition, row in self._tables["flush_partition"].items():
            if row["parked"]:
                self._d.violated(AT_REST, f"{row['parked']} parked in partition {partition}")

    def _check_head(self, section_id: int, cell: bytes, raw: bytes) -> None:
        row = self._cells.get((section_id, cell[0], int.from_bytes(cell[1:5], "big"), int.from_bytes(cell[5:], "big")))
        if raw[1] & 1:
            self._d.violated(AT_REST, f"a drafted head {raw[6:22].hex()[:8]}")
        elif row is None or raw[6:22] != row["edit_id"]:
            self._check_stale(section_id, raw)

    def _check_stale(self, section_id: int, raw: bytes) -> None:
        """A clean head may be older than PostgreSQL's (the next edit on it asks), where that could not be helped.

        A process that wrote past the journal may have died before it refreshed it, or not been asked since; and a
        context that was loaded before an eviction may come after it.
        """
        row = self._log.get(raw[6:22])
        if row is None or row["status"] != "A" or row["section_id"] != section_id:
            self._d.violated(AT_REST, f"a head that never was {raw[6:22].hex()[:8]}")
        elif not self._d.may_be_stale(section_id):
            self._d.violated(AT_REST, f"a stale head {raw[6:22].hex()[:8]}")

    def _check_position(self, section_id: int, client: bytes, raw: bytes) -> None:
        row = self._tables["client_position"].get((section_id, int.from_bytes(client[:4], "big"), client[4:]))
        told = int.from_bytes(raw[5:9], "big")
        if told > (row[0] if row else 0):
            self._d.violated(AT_REST, f"a position {told} above {row}")
