"""A full disk under the journal: it is closed in time, or drained when that came too late, and nothing is lost."""

from __future__ import annotations

import asyncio
import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import redis.asyncio as redis
from redis.exceptions import RedisError

from app.drafts.doctor import CLOSED_BYTES, examine
from app.drafts.topology import Topology
from ops.audit.checks import audit_stores
from ops.ballast import Ballast
from ops.disk_guard import DiskGuard, Limits, room_of
from ops.drill.installation import DrillInstallation
from ops.servers import ValkeyServer
from tests.faults.typists import Typists
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ops.audit.checks import Report

MIB = 1024 * 1024
SMALL = Limits(free_percent_min=15, free_mib_min=1, free_mib_max=2048, ballast_mib=4)
MAXMEMORY = 256 * MIB
EVENTS = ("ballast.made", "ballast.freed", "journal.opened")
ENTRY = "x" * 50_000
EDITS_MIN = 50
TYPED = re.compile(rb'"event":"typed".*"edit_id":"([^"]+)"')
NOT_PERMITTED = ("must be superuser", "permission denied", "not permitted")


@contextmanager
def mounted(folder: Path) -> Iterator[bool]:
    """Mount 64 MiB of memory there; False where that is not permitted, which is the one reason that counts."""
    folder.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=0711", "tmpfs", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        assert any(reason in done.stderr for reason in NOT_PERMITTED), done.stderr
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def server(server_dir: Path, tmp_path: Path) -> Iterator[ValkeyServer | None]:
    """A journal on a disk of 64 MiB; None where mounting is not permitted."""
    disk = server_dir / f"disk-{tmp_path.name}"
    with mounted(disk) as is_small:
        if not is_small:
            yield None
            return
        server = ValkeyServer(disk / "valkey", disk / "run", config={"maxmemory": str(MAXMEMORY)})
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _guard(server: ValkeyServer) -> DiskGuard:
    return DiskGuard(server.data_dir, server.url, SMALL)


async def _type(server: ValkeyServer, acknowledged: list[bytes], *, entries_max: int = 10_000) -> str:
    """Write until it is refused; return the reason, and keep what was acknowledged."""
    async with redis.Redis.from_url(server.url) as client:
        for _ in range(entries_max):
            try:
                acknowledged.append(await client.xadd("typed", {"value": ENTRY}))
            except (RedisError, OSError) as error:
                return str(error)
    return ""


async def _held(server: ValkeyServer) -> list[bytes]:
    async with redis.Redis.from_url(server.url) as client:
        return [entry for entry, _ in await client.xrange("typed")]


async def _drain(server: ValkeyServer, entries: list[bytes]) -> None:
    async with redis.Redis.from_url(server.url) as client:
        for start in range(0, len(entries), 100):
            await client.xdel("typed", *entries[start : start + 100])


async def _maxmemory(server: ValkeyServer) -> int:
    async with redis.Redis.from_url(server.url) as client:
        return int((await client.config_get("maxmemory"))["maxmemory"])


async def _until_open(server: ValkeyServer, guard: DiskGuard) -> None:
    for _ in range(500):
        await guard.look()
        if await _maxmemory(server) == MAXMEMORY:
            return
        await asyncio.sleep(0.02)  # the server writes its file anew
    raise AssertionError("it was not opened again")


async def test_it_is_closed_in_time_drained_and_opened_again(server: ValkeyServer | None) -> None:
    if server is None:
        return
    guard, acknowledged = _guard(server), list[bytes]()
    await guard.look()
    assert Ballast(server.data_dir).is_there
    size = (server.data_dir / "ballast").stat().st_size
    assert size == 64 * MIB * 5 // 100, "5 % of a small disk"
    while room_of(server.data_dir).free_bytes > 9 * MIB:  # 15 % are 9.6
        assert not await _type(server, acknowledged, entries_max=20)
    await guard.look()
    assert "maxmemory" in await _type(server, acknowledged)
    assert await _held(server) == acknowledged
    again = _guard(server)  # the guard itself was started again meanwhile
    await again.look()
    assert await _maxmemory(server) == CLOSED_BYTES, "there is no more room than before"
    await _drain(server, acknowledged)
    await _until_open(server, again)
    assert not await _type(server, acknowledged, entries_max=20)


async def test_what_comes_too_late_is_drained_through_the_ballast(server: ValkeyServer | None) -> None:
    if server is None:
        return
    guard, acknowledged = _guard(server), list[bytes]()
    await guard.look()
    assert await _type(server, acknowledged), "it has ended: it could not write"
    until(lambda: not server.process.running, timeout_s=60, what="the server's end")
    _fill(server.data_dir)
    server.start()
    assert await _type(server, [], entries_max=1), "it cannot write a byte"
    until(lambda: not server.process.running, timeout_s=60, what="the server's end")
    await guard.look()
    assert Ballast(server.data_dir).is_spent
    server.start()
    assert await _maxmemory(server) == CLOSED_BYTES, "it takes nothing new into the ballast's room"
    assert await _held(server) == acknowledged
    assert len(acknowledged) > 500
    await guard.look()
    await _drain(server, acknowledged)
    (server.data_dir / "others").unlink()
    await _until_open(server, guard)
    assert Ballast(server.data_dir).is_there
    assert not Ballast(server.data_dir).is_spent
    server.stop()
    server.start()
    assert await _maxmemory(server) == MAXMEMORY


def _fill(folder: Path) -> None:
    """Leave no room at all."""
    with (folder / "others").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


async def test_a_closed_journal_is_no_danger_and_the_doctor_says_what_to_do(server: ValkeyServer | None) -> None:
    if server is None:
        return
    guard = _guard(server)
    await guard.look()
    _fill(server.data_dir)
    await guard.look()
    topology = Topology(server.url)
    try:
        findings = {finding.subject.split()[-1]: finding for finding in await examine(topology)}
    finally:
        topology.close()
    assert not findings["maxmemory"].problem, "or no flusher could start, and drain it"
    assert "disk guard" in findings["maxmemory"].advice


async def test_a_large_disk_is_not_closed_for_its_share(server_dir: Path) -> None:
    limits = Limits(free_percent_min=15, free_mib_min=64, free_mib_max=2048, ballast_mib=64)
    assert limits.low_bytes(1000 * MIB) == 150 * MIB
    assert limits.low_bytes(1_000_000 * MIB) == 2048 * MIB
    assert limits.low_bytes(100 * MIB) == 64 * MIB


def test_a_full_disk_under_load_loses_nothing(server_dir: Path, tmp_path: Path) -> None:
    journal = server_dir / "full" / "valkey"
    limits = {"INKFAST_JOURNAL_DISK_FREE_MIB_MIN": "1"}
    with mounted(journal) as is_small:
        if not is_small:
            return
        with DrillInstallation(server_dir / "full", 4, limits) as running:
            report = _fill_under_load(running, journal, tmp_path)
            log = (running.installation.log_dir / "disk-guard.log").read_text()
    assert report.holds, report
    assert report.counts["acknowledged"] > EDITS_MIN
    assert [event for event in EVENTS if event not in log] == []


def _fill_under_load(running: DrillInstallation, journal: Path, folder: Path) -> Report:
    running.write_tokens(folder / "tokens.jsonl")
    ledger, ballast = folder / "ledger.jsonl", Ballast(journal)
    with Typists(running.url, folder / "tokens.jsonl", ledger, rate=50, teachers=4):
        until(lambda: ballast.is_there, timeout_s=20, what="the ballast")
        _fill(journal)
        until(lambda: ballast.is_spent, timeout_s=30, what="the ballast to be given away")
        (journal / "others").unlink()
        until(lambda: ballast.is_there, timeout_s=30, what="the ballast to be made again")
        until(running.is_serving, timeout_s=30, what="readiness")
        # What is typed by now is recorded by the end, and the disk may have been full for an instant only.
        until(lambda: len(set(TYPED.findall(ledger.read_bytes()))) > EDITS_MIN, timeout_s=30, what="enough edits")
    return asyncio.run(audit_stores(running.settings, [ledger], 60, lambda _: None))
