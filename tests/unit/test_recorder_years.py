"""What a batch costs does not grow with the district: its own sections are looked up, and no others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

from app.gradebook.recording.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest


class District(dict[int, int]):
    """School years of all sections; whoever goes through them all is caught."""

    def __iter__(self) -> NoReturn:
        raise AssertionError("it goes through the district")

    def keys(self) -> NoReturn:
        iter(self)


async def test_a_batch_looks_up_the_years_of_its_own_sections_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[int]] = []

    async def read(_: Any, sections: Sequence[int]) -> dict[int, int]:
        asked.append(sections)
        return dict.fromkeys(sections, 2027)

    monkeypatch.setattr("app.gradebook.recording.recorder.records.read_school_years", read)
    connection: Any = SimpleNamespace(add_log_listener=lambda _: None)
    recorder = Recorder(connection)
    district = recorder._years = District({1: 2026, 2: 2026, 3: 2026})
    batch: Any = SimpleNamespace(entries=[(0, SimpleNamespace(section_id=section)) for section in (1, 4, 1, 3)])
    years = await recorder._school_years(batch)
    assert (years[1], years[4], asked) == (2026, 2027, [[4]])
    assert recorder._years is district
    await recorder._school_years(batch)
    assert len(asked) == 1
