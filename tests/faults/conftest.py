"""What the fault tests share: a ledger, and the small school."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadtests.ledger import Ledger
from tests.world import make_school

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.settings import Settings


@pytest.fixture
def ledger_path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


@pytest.fixture
def ledger(ledger_path: Path) -> Iterator[Ledger]:
    with Ledger(ledger_path) as ledger:
        ledger.run(writer="tests")
        yield ledger


@pytest.fixture
async def school(settings: Settings) -> Settings:
    await make_school(settings.database_url)
    return settings
