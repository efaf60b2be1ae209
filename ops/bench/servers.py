"""`inkfast bench servers`: granian and uvicorn under the same load, and what a killed worker does to each.

docs/adr/0005-asgi-server.md draws the conclusion.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from loadtests.bench.disruption import Noticed, decode_noticed
from loadtests.bench.plan import Plan, encode
from ops.bench.report import Ratio, RoundOf, figures, ratios, table
from ops.bench.rounds import Round, sections_each
from ops.bench.stand import COLUMNS, READY_S_MAX, BenchError, Dialogue, Stand, answers, children_of
from ops.processes import alive
from ops.supervisor import PythonService
from ops.watched import RESTART_S_MIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CONNECTIONS = 64
KILL_AFTER_S, WATCH_S = 1.0, 9.0
FLUSH_ROWS = 1_000
GRANIAN = (
    "granian --interface asgi --loop uvloop --http 1 --no-ws --backlog 4096 --backpressure 4096 --log-level warning"
)
UVICORN = "uvicorn --loop uvloop --http httptools --ws none --no-access-log --timeout-keep-alive 75 --log-level warning"
NOOP = "loadtests.bench.noop:app"


class Program(NamedTuple):
    """One way of running an application, by its own command line; it makes its own socket."""

    name: str
    services: list[PythonService]
    port: int

    @property
    def pid(self) -> int:
        """The process that was started; the ones that serve may be its children."""
        return self.services[0].process.pid


def compare_servers(rounds: int, seconds: float, folder: Path | None, say: Callable[[str], None]) -> None:
    """Measure, kill, and print both tables."""
    needed = rounds * 4 * CONNECTIONS * sections_each(seconds, CONNECTIONS) + 5 * CONNECTIONS + 100
    with Stand(needed, flush_rows=FLUSH_ROWS, folder=folder) as stand:
        say(stand.describe())
        done = _measure(stand, rounds, seconds, say)
        say("\n" + figures(f"{CONNECTIONS} connections", "requests", list(done[0]), done))
        wanted = [
            Ratio("no-op, granian : uvicorn", "no-op granian", "no-op uvicorn"),
            Ratio("save, granian : uvicorn", "save granian", "save uvicorn"),
        ]
        say("\n" + ratios(wanted, done))
        lost = [(name, *_kill_one(stand, run)) for name, run in WAYS]
    say(f"\nkill -9 of one of two workers under {CONNECTIONS} connections, {WATCH_S - KILL_AFTER_S:.0f} s watched")
    say(_table_of(lost))


def _measure(stand: Stand, rounds: int, seconds: float, say: Callable[[str], None]) -> list[RoundOf]:
    done: list[RoundOf] = []
    with contextlib.ExitStack() as stack:
        api = "--factory ops.bench.app:make_app"
        programs = [
            stack.enter_context(_running(stand, "no-op uvicorn", f"{UVICORN} --workers 1 {NOOP}")),
            stack.enter_context(_running(stand, "no-op granian", f"{GRANIAN} --workers 1 {NOOP}")),
            stack.enter_context(_running(stand, "save uvicorn", f"{UVICORN} --workers 1 {api}", "/readyz")),
            stack.enter_context(_running(stand, "save granian", f"{GRANIAN} --workers 1 {api}", "/readyz")),
        ]
        for number in range(1, rounds + 1):
            stand.settle(empty_journal=True)
            turn = Round(stand, number, seconds)
            in_turn = programs if number % 2 else programs[::-1]
            done.append({p.name: turn.load(p.name, p.port, p.pid, CONNECTIONS) for p in in_turn})
            say(f"round {number} of {rounds}: " + ", ".join(f"{n} {c.per_second:,.0f}/s" for n, c in done[-1].items()))
    return [{p.name: r[p.name] for p in programs} for r in done]


@contextlib.contextmanager
def _running(stand: Stand, name: str, command: str, ready: str = "/") -> Iterator[Program]:
    """Run one program on a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    server, *arguments = command.split()
    target = arguments.pop()
    service = stand.start(
        name.replace(" ", "-"), server, *arguments, "--host", "127.0.0.1", "--port", str(port), target
    )
    try:
        service.process.wait_until(lambda: answers(port, ready), timeout_s=READY_S_MAX)
        yield Program(name, [service], port)
    finally:
        service.stop()


@contextlib.contextmanager
def _supervised(stand: Stand, name: str) -> Iterator[Program]:
    """Run it as ops/supervisor.py does: single processes on one inherited socket, each started again when it ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        descriptor = listener.fileno()
        port: int = listener.getsockname()[1]
        arguments = ["loadtests.bench.serve", "noop", "--fd", str(descriptor)]
        services = [
            PythonService(f"own-{n}", stand.folder / "run", arguments, stand.environment, pass_fds=(descriptor,))
            for n in (1, 2)
        ]
        for service in services:
            service.spawn()
        over = threading.Event()
        keeper = threading.Thread(target=_start_again, args=(services, over))
        keeper.start()
        try:
            services[0].process.wait_until(lambda: answers(port, "/"), timeout_s=READY_S_MAX)
            yield Program(name, services, port)
        finally:
            over.set()
            keeper.join()
            for service in services:
                service.stop()


def _start_again(services: Sequence[PythonService], over: threading.Event) -> None:
    while not over.wait(RESTART_S_MIN):
        for service in services:
            if not service.process.running:
                service.spawn()


def _workers(program: Program) -> list[int]:
    """Return the processes that serve: the supervised ones, or the children that multiprocessing has made."""
    if len(program.services) > 1:
        return [service.process.pid for service in program.services if service.process.running]
    found = [pid for pid in children_of(program.pid) if alive(pid)]
    # multiprocessing has a child of its own, to clean up after the others
    return [pid for pid in found if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


def _turns(pid: int) -> bool:
    """Whether a process has got as far as waiting for connections."""
    with contextlib.suppress(OSError):
        return any(entry.readlink() == Path("anon_inode:[eventpoll]") for entry in Path(f"/proc/{pid}/fd").iterdir())
    return False


WAYS: list[tuple[str, str | None]] = [
    ("granian --workers 2", f"{GRANIAN} --workers 2 {NOOP}"),
    ("granian --workers 2 --respawn-failed-workers", f"{GRANIAN} --workers 2 --respawn-failed-workers {NOOP}"),
    ("uvicorn --workers 2", f"{UVICORN} --workers 2 {NOOP}"),
    ("two uvicorn processes on an inherited socket", None),
]


def _kill_one(stand: Stand, command: str | None) -> tuple[Noticed, int]:
    """Return what was noticed when one of two workers was killed, and how many there were in the end."""
    way = _supervised(stand, "own") if command is None else _running(stand, "killed", command)
    with way as program:
        deadline = time.monotonic() + READY_S_MAX
        while sum(_turns(pid) for pid in _workers(program)) < 2:
            if time.monotonic() > deadline:
                raise BenchError(f"{program.name}: there are no two workers")
            time.sleep(0.05)
        teachers = stand.teachers(CONNECTIONS, 1, columns=COLUMNS)
        plan = Plan("127.0.0.1", program.port, 0, teachers, seconds=WATCH_S)
        dialogue = Dialogue("loadtests.bench.disruption", environment=stand.environment, plan=encode(plan) + b"\n")
        killer = threading.Timer(KILL_AFTER_S, os.kill, (_workers(program)[0], signal.SIGKILL))
        killer.start()
        noticed = decode_noticed(dialogue.go())
        left = len(_workers(program))
        dialogue.close()
        return noticed, left


def _table_of(lost: Sequence[tuple[str, Noticed, int]]) -> str:
    head = [
        "",
        "answered",
        "broken",
        "refused",
        "unanswered",
        "longest wait s",
        "workers left",
        "answers in the last second",
    ]
    rows = [
        [
            name,
            f"{n.answered:,}",
            str(n.broken),
            f"{n.refused:,}",
            str(n.unanswered),
            f"{n.longest_s:.1f}",
            str(left),
            f"{n.answered_in_last_second:,}",
        ]
        for name, n, left in lost
    ]
    return table(head, rows)
