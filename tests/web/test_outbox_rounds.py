"""Fifty rounds of killing the browser while somebody types: nothing that was on this computer is lost (rounds.py)."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from ops.drill.chaos_proxy import ChaosProxy
from ops.environment import environment
from tests.web.outbox_page import Desk, token_of
from tests.web.rounds import play

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool


@pytest.mark.parametrize("school", [{"filled": 0}], indirect=True)
async def test_nothing_is_lost_over_kills_of_the_browser(
    service: Service, school: GradebookSchool, tmp_path: Path
) -> None:
    rounds = int(environment().get("INKFAST_ROUNDS", "50"))
    seed = int(environment().get("INKFAST_ROUNDS_SEED", "1"))
    began = time.monotonic()
    proxy = ChaosProxy(("127.0.0.1", service.port), seed=seed)
    await proxy.start()
    try:
        async with Desk(tmp_path) as desk:
            token = await token_of(service, school.teacher_name)
            report = await play(desk.laptop(), proxy, school, token, service.settings, rounds=rounds, seed=seed)
    finally:
        await proxy.close()
    sys.stdout.write(f"seed {seed}, {(time.monotonic() - began) / rounds:.2f} s a round: {report}\n")
    assert report.is_whole, f"seed {seed}: {report}"
    assert report.recorded > rounds / 4, "too little was typed to say anything"
