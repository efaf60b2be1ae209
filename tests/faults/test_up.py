"""`inkfast up`: data stay, nothing is left running, and what goes wrong is said in one sentence."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest
import redis
from click.testing import CliRunner

import ops.up
from ops.environment import environment
from ops.processes import ServerError, alive
from ops.servers import PostgresServer, postgres_bin, postgres_major
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
START_S_MAX = 60
END_S_MAX = 30


class Up:
    """One run of `inkfast up`."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        self.data_dir = data_dir
        self.output = data_dir.with_suffix(".out")
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ops.cli", "up", "--data-dir", data_dir, "--demo-teachers", "2", *options],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={key: value for key, value in environment().items() if key not in {"DATABASE_URL", "REDIS_URL"}},
            )

    def said(self) -> str:
        return self.output.read_text()

    def url(self) -> str:
        def address() -> str:
            assert self.process.poll() is None, self.said()
            found = re.search(r"running at (http://\S+)", self.said())
            return found.group(1) if found and "ready in" in self.said() else ""

        return until(address, timeout_s=START_S_MAX, what="the address")

    def family(self) -> list[psutil.Process]:
        return [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]

    def pid_of(self, name: str) -> int | None:
        """Its process; None while it does not run."""
        with contextlib.suppress(FileNotFoundError):
            return int((self.data_dir / "run" / f"{name}.pid").read_text())
        return None

    def end(self, number: signal.Signals) -> int:
        family = self.family()
        self.process.send_signal(number)
        status = self.process.wait(END_S_MAX)
        until(lambda: not any(alive(process.pid) for process in family), timeout_s=END_S_MAX, what="the end of all")
        return status


def _refused(data_dir: Path, *options: str) -> str:
    """Return the one sentence with which it refuses."""
    run = Up(data_dir, *options)
    status = run.process.wait(START_S_MAX)
    lines = run.said().strip().splitlines()
    assert status == 1, lines
    assert len(lines) == 1, lines
    assert lines[0].startswith("inkfast: "), lines
    return lines[0]


@pytest.fixture(scope="module")
def running(server_dir: Path) -> Iterator[Up]:
    up = Up(server_dir / "data", "--port", "0")
    try:
        up.url()
        yield up
    finally:
        if up.process.poll() is None:
            up.end(signal.SIGTERM)


def test_a_page_is_served(running: Up) -> None:
    assert httpx.get(running.url() + "/livez", timeout=60).status_code == 200


def test_the_demo_accounts_can_sign_in(running: Up) -> None:
    said = re.search(r"sign in as (teacher1), (teacher2), … or (office1), with the password (\S+)", running.said())
    assert said
    *users, password = said.groups()
    for user in users:
        body = {"username": user, "password": password}
        assert httpx.post(running.url() + "/api/v1/session", json=body, timeout=20).status_code == 200


def test_a_directory_has_one_supervisor(running: Up) -> None:
    assert f"process {running.process.pid}" in _refused_beside(running)


def _refused_beside(running: Up) -> str:
    command: list[str | Path] = [sys.executable, "-m", "ops.cli", "up", "--port", "0", "--data-dir", running.data_dir]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=START_S_MAX)
    assert done.returncode == 1, done
    return done.stderr


@pytest.mark.parametrize("name", ["api-1", "flusher", "housekeeping", "valkey", "postgres"])
def test_what_dies_is_started_again(running: Up, name: str) -> None:
    first = until(lambda: running.pid_of(name), timeout_s=20, what=name)
    psutil.Process(first).kill()
    until(lambda: running.pid_of(name) not in {None, first}, timeout_s=20, what=f"another {name}")
    assert httpx.get(running.url() + "/livez", timeout=20).status_code == 200


def test_kill_leaves_nothing_running_and_the_data_stay(running: Up) -> None:
    settings = json.loads((running.data_dir / "settings.json").read_text())
    with redis.Redis.from_url(settings["redis_url"]) as client:
        until(lambda: _written(client), timeout_s=20, what="the journal's server")
    running.end(signal.SIGKILL)
    second = Up(running.data_dir, "--port", str(settings["port"]))
    try:
        assert second.url().endswith(f":{settings['port']}")
        assert "loading a demo district" not in second.said(), "it is loaded once"
        with redis.Redis.from_url(settings["redis_url"]) as client:
            assert client.get("kept") == b"1"
        assert second.end(signal.SIGINT) == 0
        assert second.said().strip().endswith("nothing is left running")
        assert not list((running.data_dir / "run").glob("*.pid"))
    finally:
        second.process.kill()


def _written(client: redis.Redis) -> bool:
    try:
        return bool(client.set("kept", "1"))
    except redis.RedisError:
        return False


def test_a_port_in_use_is_said(server_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        sentence = _refused(server_dir / "no-port", "--port", str(port))
    assert f"port {port}" in sentence
    assert "--port" in sentence


def test_a_damaged_database_is_said(server_dir: Path) -> None:
    data_dir = server_dir / "damaged"
    server = PostgresServer(data_dir / f"pg{postgres_major(postgres_bin())}", data_dir / "run", fast=True)
    server.start()
    server.stop()
    (server.data_dir / "global" / "pg_control").write_text("?")
    assert "PostgreSQL did not start: PANIC" in _refused(data_dir, "--port", "0")


@pytest.mark.parametrize("command", ["up", "test"])
def test_a_missing_python_is_said(tmp_path: Path, command: str) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")  # what the probe answers under Python 3.10
    old.chmod(0o755)
    done = subprocess.run(
        ["/bin/bash", ROOT / "ops" / command], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Python 3.11" in done.stderr


def test_a_full_disk_is_said(server_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops.up, "FREE_MIB_MIN", 10**12)
    result = CliRunner().invoke(ops.up.up, ["--data-dir", str(server_dir / "full")])
    assert isinstance(result.exception, ServerError)
    assert "the disk is full" in str(result.exception)
