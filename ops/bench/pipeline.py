"""The upper bound of the save path: its journal entries, sent by redis-py in plain pipelines, without anything else.

A process of its own, started by ops/bench/peers.py. Before the clock starts it packs as many saves as it may need, as
the service's entries; then it adds them to the journal's streams, so many in a pipeline, each pipeline answered (and by
`appendfsync always` on disk) before the next is sent. No HTTP, no checks, no script, no receipt, one client.
"""

from __future__ import annotations

import itertools
import random
import sys
import time
from typing import TYPE_CHECKING
from uuid import UUID

import redis

from app.drafts.codec import APPLIED, CELL, ENTRY, FORMAT, NO_ID, NORMAL, pack_client, pack_edit
from app.drafts.keys import STREAM
from app.settings import Settings
from loadtests.bench.plan import EDITS_PER_SAVE, GO, READY, Recorded, encode
from loadtests.bench.saves import uuid7
from ops.environment import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

SAVES_MADE = 20_000  # then again from the first: a stream does not mind
APPLIED_AT_1 = bytes((APPLIED, 0, 0, 0, 1))
SCORE = 1


def entries(count: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield streams and entries of three new cells each, as accept.lua writes them."""
    rng = random.Random(count)  # noqa: S311 -- values to be written, not secrets
    for number in range(count):
        section_id, now_ms = number % 5000 + 1, time.time_ns() // 1_000_000
        head = ENTRY.pack(
            FORMAT, section_id, pack_client(number, UUID(uuid7(rng)).bytes), 0, 0, now_ms, 0, EDITS_PER_SAVE
        )
        edits = (
            APPLIED_AT_1
            + pack_edit(
                NORMAL,
                seq,
                CELL.pack(SCORE, section_id * 100, 1_000_000 + number * EDITS_PER_SAVE + seq),
                UUID(uuid7(rng)).bytes,
                NO_ID,
                now_ms,
                b'{"score":"%d"}' % rng.randrange(100),
                b"",
            )
            for seq in range(1, EDITS_PER_SAVE + 1)
        )
        yield STREAM[section_id % len(STREAM)], head + b"".join(edits)


def main(saves_at_once: int, seconds: float) -> None:
    """Do as the module says."""
    made = itertools.cycle(list(entries(SAVES_MADE)))
    with redis.Redis.from_url(Settings.from_env(environment()).redis_url) as client:
        client.ping()
        _say(READY)
        if sys.stdin.buffer.readline() != GO:
            sys.exit(1)
        began, cpu_s, saves = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - began < seconds:
            pipeline = client.pipeline(transaction=False)
            for stream, entry in itertools.islice(made, saves_at_once):
                pipeline.xadd(stream, {b"d": entry})
            pipeline.execute()
            saves += saves_at_once
        elapsed_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    _say(encode(Recorded(saves, elapsed_s, cpu_s)) + b"\n")
    sys.stdin.buffer.readline()  # whoever asked still wants to see the servers as they are


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
