"""Open a form of the plain page: from a section's snapshot to the state that the form carries."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from msgspec import structs

from app.errors import NotFoundError
from app.model.kinds import KIND_OF_NAME, Kind, attendance_item
from app.model.plain_forms import NO_ID, FormState, FormStudent, HeldValue, Party, ShownCell, plain_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.gradebook.read_section import SectionSnapshot
    from app.model.edits import HeadView
    from app.model.grants import Grant
    from app.model.plain_forms import CellName, FormKind, PlannedEdit


class CellNote(NamedTuple):
    """How a cell stands: drafted or recorded, by whom, when."""

    state: str
    author_id: int
    author: str | None
    entered_ms: int
    edit_id: bytes
    value: bytes


class OpenedForm(NamedTuple):
    """A form, how its cells stand, and a form of its own for each open conflict in it."""

    state: FormState
    notes: dict[CellName, CellNote]
    choices: list[FormState]


def open_column(
    snapshot: SectionSnapshot, grant: Grant, line_item_id: int, *, form_id: bytes, now_ms: int
) -> OpenedForm:
    """Return the form of one column: a score and a comment for each student. NotFoundError: no such column."""
    column = next((c for c in snapshot.line_items if c["line_item_id"] == line_item_id), None)
    if column is None:
        raise NotFoundError("no such column")
    opening = _Opening(snapshot, grant, form_id, now_ms, (Kind.SCORE, Kind.COMMENT), line_item_id)
    low, high = plain_number(column["result_value_min"]), plain_number(column["result_value_max"])
    opened = opening.form("column", column["title"], low, high)
    is_extra = bool(column.get("is_extra_credit"))
    return opened._replace(state=structs.replace(opened.state, is_extra_credit=is_extra))


def open_roll(
    snapshot: SectionSnapshot, grant: Grant, day: dt.date, *, form_id: bytes, now_ms: int, meeting: int = 0
) -> OpenedForm:
    """Return the form of one day's roll: a mark for each student, and whether the roll was taken."""
    item = attendance_item(day, meeting)
    opening = _Opening(snapshot, grant, form_id, now_ms, (Kind.ATTENDANCE,), item)
    return opening.form("attendance", day.isoformat(), "", "", whole_section=(Kind.ROLL_TAKEN,))


def open_choice(state: FormState, edit: PlannedEdit, head: HeadView, their_name: str | None) -> FormState:
    """Return the form that decides the conflict of an edit that was just sent."""
    theirs = Party(their_name, milliseconds(head.entered_at), head.author_id == state.user_id)
    return _choice(
        state,
        HeldValue(edit.kind, edit.student, edit.value, edit.entered_ms),
        Party(state.user_name, edit.entered_ms, is_user=True),
        theirs,
        ShownCell(
            edit.kind,
            edit.student,
            UUID(head.edit_id).bytes,
            plain_value(edit.kind, bytes(head.value)),
            (edit.edit_id.bytes,),
        ),
    )


def milliseconds(moment: str) -> int:
    """Return a moment of the protocol in milliseconds since 1970."""
    return round(dt.datetime.fromisoformat(moment).timestamp() * 1000)


def plain_number(text: str | None) -> str:
    """Return a decimal string without needless zeros; nothing for no number."""
    return f"{Decimal(text).normalize() + 0:f}" if text else ""


class _Opening:
    """The cells of a form, looked up in a snapshot."""

    def __init__(
        self,
        snapshot: SectionSnapshot,
        grant: Grant,
        form_id: bytes,
        now_ms: int,
        kinds: Sequence[Kind],
        item: int,
    ) -> None:
        self._snapshot, self._grant, self._form_id, self._now_ms = snapshot, grant, form_id, now_ms
        self._kinds, self._item = kinds, item
        self.notes: dict[CellName, CellNote] = {}
        cells = snapshot.cells
        for i, cell_item in enumerate(cells.item):
            if cell_item == item:
                kind = KIND_OF_NAME[cells.kind[i]]
                author = cells.author_id[i]
                self.notes[kind, cells.student[i]] = CellNote(
                    cells.state[i],
                    author,
                    snapshot.authors.get(str(author)),
                    milliseconds(cells.entered_at[i]),
                    UUID(cells.edit_id[i]).bytes,
                    plain_value(kind, bytes(cells.value[i])),
                )

    def form(
        self, kind: FormKind, title: str, low: str, high: str, *, whole_section: Sequence[Kind] = ()
    ) -> OpenedForm:
        conflicts = [c for c in self._snapshot.conflicts if c["item"] == self._item]
        students = tuple(self._students())
        cells = [self._cell(k, s.student, conflicts) for s in students for k in self._kinds]
        cells += [self._cell(k, 0, conflicts) for k in whole_section]
        state = FormState(
            kind,
            self._form_id,
            self._now_ms,
            self._grant.user_id,
            self._grant.name,
            self._snapshot.section["section_id"],
            self._snapshot.section["title"],
            self._snapshot.section["time_zone"],
            self._item,
            title,
            low,
            high,
            students,
            tuple(cells),
        )
        return OpenedForm(state, self.notes, [c for c in (self._open_conflict(state, c) for c in conflicts) if c])

    def _students(self) -> list[FormStudent]:
        """Everyone in the section now, and who has left it and still has something in these cells."""
        return [
            FormStudent(s["student_id"], f"{s['family_name']}, {s['given_name']}", s["is_active"])
            for s in self._snapshot.students
            if s["is_active"] or any((k, s["student_id"]) in self.notes for k in self._kinds)
        ]

    def _cell(self, kind: Kind, student: int, conflicts: Sequence[dict[str, Any]]) -> ShownCell:
        note = self.notes.get((kind, student))
        own = tuple(
            UUID(c["edit_id"]).bytes
            for c in conflicts
            if c["author_id"] == self._grant.user_id and (KIND_OF_NAME[c["kind"]], c["student"]) == (kind, student)
        )
        return ShownCell(kind, student, note.edit_id if note else NO_ID, note.value if note else b"", own[:20])

    def _open_conflict(self, state: FormState, conflict: dict[str, Any]) -> FormState | None:
        """Return the form that decides a conflict that is still open; None if its student is not in this form."""
        kind, student = KIND_OF_NAME[conflict["kind"]], conflict["student"]
        note = self.notes.get((kind, student))
        if note is None or (kind, student) not in state.shown():
            return None
        author, user = conflict["author_id"], self._grant.user_id
        edit_id, value = UUID(conflict["edit_id"]).bytes, bytes(conflict["value"])
        entered_ms = milliseconds(conflict["entered_at"])
        return _choice(
            state,
            HeldValue(kind, student, value, entered_ms),
            Party(self._snapshot.authors.get(str(author)), entered_ms, author == user),
            Party(note.author, note.entered_ms, note.author_id == user),
            ShownCell(kind, student, note.edit_id, note.value, (edit_id,)),
        )


def _choice(state: FormState, mine: HeldValue, mine_by: Party, theirs_by: Party, cell: ShownCell) -> FormState:
    conflict = cell.own_conflicts[0]
    return FormState(
        "choice",
        # The same conflict is the same form to one person wherever it is shown: deciding it twice is one edit.
        blake2b(conflict + state.user_id.to_bytes(8, "big"), digest_size=16).digest(),
        int.from_bytes(conflict[:6], "big"),
        state.user_id,
        state.user_name,
        state.section_id,
        state.section_title,
        state.time_zone,
        state.item,
        state.title,
        state.score_min,
        state.score_max,
        tuple(s for s in state.students if s.student == cell.student),
        (cell,),
        (mine,),
        (mine_by, theirs_by),
    )
