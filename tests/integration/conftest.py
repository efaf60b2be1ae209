"""What the tests of the benchmarks share."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_numbers = itertools.count(1)


@pytest.fixture
def bench_dir(server_dir: Path) -> Path:
    """Where a benchmark keeps its servers: figures that nobody reads need no real disk."""
    folder = server_dir / f"bench{next(_numbers)}"
    folder.mkdir(mode=0o711)
    return folder
