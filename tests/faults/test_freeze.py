"""A process that is frozen, or whose loop is blocked, is replaced; one that only seems so is not."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest
import redis

from ops.drill.installation import DrillInstallation
from ops.processes import alive
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PYTHON = ("api-1", "flusher", "housekeeping")
SERVERS = ("valkey", "postgres")


@pytest.fixture(scope="module")
def running(server_dir: Path) -> Iterator[DrillInstallation]:
    with DrillInstallation(server_dir / "freeze", 2) as installation:
        yield installation


def _pid(running: DrillInstallation, name: str) -> int:
    return until(lambda: running.pid(name), timeout_s=20, what=f"{name} to run") or 0


def _is_another(running: DrillInstallation, name: str, pid: int) -> bool:
    return running.pid(name) not in {None, pid}


@pytest.mark.parametrize(("name", "silent_s"), [*((name, 1.5) for name in PYTHON), *((name, 3.0) for name in SERVERS)])
def test_a_frozen_process_is_killed_and_replaced(running: DrillInstallation, name: str, silent_s: float) -> None:
    pid = _pid(running, name)
    _await_beat(running, name, pid)
    parent = psutil.Process(pid)
    parent.send_signal(signal.SIGSTOP)  # first: who stands still takes leave of no child that has just ended
    children = parent.children(recursive=True)
    for process in children:
        process.send_signal(signal.SIGSTOP)
    frozen = [parent, *children]
    until(lambda: _is_another(running, name, pid), timeout_s=silent_s + 60, what=f"another {name}")
    until(
        lambda: not any(alive(process.pid) for process in frozen), timeout_s=60, what="the end of all that was frozen"
    )
    assert f"{name} was silent for {silent_s:.0f}"[:-1] in running.output.read_text()
    until(lambda: _is_serving(running), timeout_s=30, what=f"service with the new {name}")


def _await_beat(running: DrillInstallation, name: str, pid: int) -> None:
    """Return when it has shown that it works: before that it may take its time."""
    if name in SERVERS:
        until(lambda: _is_serving(running), timeout_s=30, what=f"{name} to answer")
        return
    log = running.installation.log_dir / f"{name}.log"
    until(lambda: '"service.started"' in log.read_text(), timeout_s=30, what=f"{name} to start")
    process = psutil.Process(pid)
    written = process.io_counters().write_count
    until(lambda: process.io_counters().write_count > written + 3, timeout_s=30, what=f"{name} to beat")


def _is_serving(running: DrillInstallation) -> bool:
    return running.is_serving() and _answers(running) and _takes_sign_ins(running)


def _answers(running: DrillInstallation) -> bool:
    with redis.Redis.from_url(running.settings.redis_url, socket_timeout=1) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def _takes_sign_ins(running: DrillInstallation) -> bool:
    body = {"username": "teacher1", "password": "none"}
    with contextlib.suppress(httpx.TransportError):
        return httpx.post(running.url + "/api/v1/session", json=body, timeout=20).status_code == 401
    return False
