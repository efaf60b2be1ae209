"""Save a form of the plain page: what changed in it becomes edits, in as many saves as they need."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Literal, NamedTuple
from uuid import UUID

from msgspec import Raw

from app.drafts.codec import CELL
from app.model.edits import EDITS_PER_SAVE_MAX, EditRequest, OutcomeView, SaveRequest
from app.model.kinds import NAME_OF_KIND
from app.model.plain_forms import NO_ID, SeenHead, derive_client_id, plan, plan_choice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from app.gradebook.edit_cells import EditCells
    from app.gradebook.read_section import ReadSection
    from app.model.grants import Grant
    from app.model.plain_forms import CellName, FormState, PlannedEdit

SAVE_BYTES_MAX = 48_000  # of values and ids in one save, like those of a browser's outbox


class SavedEdit(NamedTuple):
    """One edit of the form and what became of it."""

    edit: PlannedEdit
    outcome: OutcomeView


class SavedForm(NamedTuple):
    """What became of a form; no edits and no receipts if nothing was changed in it."""

    edits: list[SavedEdit]
    receipts: list[str]
    at_ms: int


class SaveForm:
    """Saving forms, for one API process."""

    def __init__(
        self,
        edit_cells: EditCells,
        read_section: ReadSection,
        *,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._edit_cells = edit_cells
        self._read_section = read_section
        self._wall_ms = wall_ms

    async def save_typed(self, grant: Grant, state: FormState, typed: Mapping[CellName, bytes]) -> SavedForm:
        """Save what was typed; on return every changed cell is durable on the server, or is answered with its reason.

        Raises what EditCells.save raises. Then some of a long form may have been saved: sending the same form again
        sends the same edits, so that nothing is done twice.
        """
        heads = await self._heads(state)
        return await self._save(grant, state, plan(state, typed, heads, self._wall_ms()))

    async def save_choice(self, grant: Grant, state: FormState, choice: Literal["mine", "theirs"]) -> SavedForm:
        """Save what a person decided about a conflict; guarantees and errors as in `save_typed`."""
        heads = await self._heads(state)
        return await self._save(grant, state, plan_choice(state, choice, heads, self._wall_ms()))

    async def _heads(self, state: FormState) -> dict[CellName, SeenHead]:
        columns = sorted({(cell.kind, state.item) for cell in state.cells})
        found = await self._read_section.read_columns(state.section_id, columns)
        return {
            (kind, student): SeenHead(head.edit_id, head.author_id, head.value)
            for (kind, _, student), head in ((CELL.unpack(cell), head) for cell, head in found.items())
        }

    async def _save(self, grant: Grant, state: FormState, edits: Sequence[PlannedEdit]) -> SavedForm:
        client_id = derive_client_id(state, edits)
        saved: list[SavedEdit] = []
        receipts: list[str] = []
        for part in _in_parts(edits):
            at = self._moment(self._wall_ms())
            request = SaveRequest(
                client_id=client_id,
                sent_at=at,
                edits=tuple(self._request(state, edit, len(saved) + 1 + i) for i, edit in enumerate(part)),
            )
            answer = await self._edit_cells.save_edits(grant, state.section_id, request)
            saved += map(SavedEdit, part, answer.outcomes)
            if answer.receipt is not None:
                receipts.append(answer.receipt)
        return SavedForm(saved, receipts, self._wall_ms())

    def _request(self, state: FormState, edit: PlannedEdit, seq: int) -> EditRequest:
        return EditRequest(
            edit_id=edit.edit_id,
            seq=seq,
            kind=NAME_OF_KIND[edit.kind],  # type: ignore[arg-type]  # the registry's names are the wire's
            item=state.item,
            student=edit.student,
            base=None if edit.base == NO_ID else UUID(bytes=edit.base),
            value=Raw(edit.value),
            entered_at=self._moment(edit.entered_ms),
            resolves=tuple(UUID(bytes=conflict) for conflict in edit.resolves),
        )

    @staticmethod
    def _moment(ms: int) -> dt.datetime:
        return dt.datetime.fromtimestamp(ms / 1000, dt.UTC)


def _in_parts(edits: Sequence[PlannedEdit]) -> Iterator[list[PlannedEdit]]:
    """Cut a long form into saves, each within the limits of a save."""
    part: list[PlannedEdit] = []
    size = 0
    for edit in edits:
        weight = len(edit.value) + 200
        if part and (len(part) == EDITS_PER_SAVE_MAX or size + weight > SAVE_BYTES_MAX):
            yield part
            part, size = [], 0
        part.append(edit)
        size += weight
    if part:
        yield part
