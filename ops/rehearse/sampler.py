"""What the service looks like beside the load, once a second: its own page, the journal's depth, CPU and memory."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app.drafts.keys import PARTITIONS, STREAM
from app.drafts.topology import Topology
from app.errors import InkfastError
from ops.bench.stand import children_of, cpu_s

if TYPE_CHECKING:
    from ops.rehearse.stand import Target

ASK_S_MAX = 2.0
PART_OF = {"api": "API", "journal": "journal", "postgres": "PostgreSQL", "flusher": "flusher", "generator": "generator"}
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def part_of(name: str) -> str:
    """Return what a process belongs to in the report."""
    return PART_OF.get(name.partition("-")[0], "other")


class Sampler(threading.Thread):
    """Runs until `end`. `rows`: a row a second, keyed by the second; `cpu_s_of`: CPU-seconds of each part so far."""

    def __init__(self, target: Target, generator_pid: int) -> None:
        super().__init__(name="sampler", daemon=True)
        self._target = target
        self._generator_pid = generator_pid
        self._is_over = threading.Event()
        self.rows: dict[int, dict[str, float]] = {}
        self.cpu_s_of: dict[str, float] = {}
        self.memory_mib_of: dict[str, float] = {}
        self._before: dict[int, float] = {}

    def run(self) -> None:
        """Take a row a second; what cannot be had is left out of it."""
        self._cpu()
        while not self._is_over.wait(1 - time.time() % 1):
            at = int(time.time()) - 1
            row: dict[str, float] = {}
            row |= self._own_page()
            row |= self._cpu()
            row |= self._memory()
            with contextlib.suppress(InkfastError, OSError, TimeoutError):
                row["journal_depth"] = self._depth()
            self.rows[at] = row

    def end(self) -> None:
        """Take no more."""
        self._is_over.set()
        self.join(ASK_S_MAX * 3)

    def _own_page(self) -> dict[str, float]:
        parts = urlsplit(self._target.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=ASK_S_MAX)
        try:
            connection.request("GET", "/statusz")
            found = json.loads(connection.getresponse().read())
            names = ("oldest_unrecorded_s", "next_save_ms", "journal_memory_percent")
            return {name: float(found[name]) for name in names if found.get(name) is not None}
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return {}
        finally:
            connection.close()

    def _depth(self) -> float:
        settings = self._target.settings
        return asyncio.run(_depth(settings.redis_url)) if settings is not None else 0.0

    def _cpu(self) -> dict[str, float]:
        """Return the cores that each part has used since it was looked at last."""
        used: dict[str, float] = {}
        for name, pid in self._pids().items():
            with contextlib.suppress(OSError, ValueError, IndexError):
                now = cpu_s(pid, with_children=name == "postgres")
                spent = max(0.0, now - self._before.get(pid, now))
                self._before[pid] = now
                part = part_of(name)
                used[part] = used.get(part, 0.0) + spent
                self.cpu_s_of[part] = self.cpu_s_of.get(part, 0.0) + spent
        return {f"cpu_{part}": round(spent, 3) for part, spent in used.items()}

    def _memory(self) -> dict[str, float]:
        held: dict[str, float] = {}
        for name, pid in self._pids().items():
            pids = [pid, *children_of(pid)] if name == "postgres" else [pid]
            part = part_of(name)
            held[part] = held.get(part, 0.0) + sum(map(_private_mib, pids))
        for part, mib in held.items():
            self.memory_mib_of[part] = max(mib, self.memory_mib_of.get(part, 0.0))
        return {f"memory_{part}": round(mib, 1) for part, mib in held.items()}

    def _pids(self) -> dict[str, int]:
        found: dict[str, int] = dict(self._target.pids())
        workers = children_of(self._generator_pid)
        return found | {f"generator-{at}": pid for at, pid in enumerate([self._generator_pid, *workers])}


def _private_mib(pid: int) -> float:
    """Return the memory that a process shares with nobody; none where it has ended."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        resident, shared = (int(field) for field in Path(f"/proc/{pid}/statm").read_text().split()[1:3])
        return (resident - shared) * _PAGE_BYTES / 2**20
    return 0.0


async def _depth(redis_url: str) -> float:
    topology = Topology(redis_url)
    try:
        async with asyncio.timeout(ASK_S_MAX):
            await topology.learn()
            asked: list[Any] = await asyncio.gather(
                *(topology.call(partition, b"XLEN", STREAM[partition]) for partition in range(PARTITIONS))
            )
            return float(sum(asked))
    finally:
        topology.close()
