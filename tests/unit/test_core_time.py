"""What a thread had of a core, and what it waited for one, beside another program on the same core."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from app.core_time import CoreTime

if TYPE_CHECKING:
    from collections.abc import Iterator

ENOUGH_S = 60


@pytest.fixture
def crowded() -> Iterator[None]:
    """One core for this thread and for a program that never rests."""
    mine = os.sched_getaffinity(0)
    core = min(mine)
    circle = f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", circle]) as other:
        try:
            os.sched_setaffinity(0, {core})
            yield
        finally:
            os.sched_setaffinity(0, mine)
            other.kill()


@pytest.mark.usefixtures("crowded")
def test_a_wait_for_a_core_is_counted_beside_what_was_run() -> None:
    core, until = CoreTime(), time.monotonic() + ENOUGH_S
    before, ran_s = core.look(), time.thread_time()
    while core.look().waited < before.waited + 0.1:
        assert time.monotonic() < until
    assert core.look().ran - before.ran == pytest.approx(time.thread_time() - ran_s, abs=0.1)
    core.close()


def test_where_nobody_counts_what_was_run_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise FileNotFoundError

    monkeypatch.setattr("app.core_time.os.open", refuse)
    core = CoreTime()
    assert core.look().waited == 0
    assert core.look().ran == pytest.approx(time.thread_time(), abs=0.1)
    core.close()
