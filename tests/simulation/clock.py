"""An event loop on virtual time: nothing waits, and the same seed runs the same callbacks in the same order.

Time moves only when nothing is left to run now. Callbacks of one process keep their order; of several processes that
are ready at the same moment, the seed decides who is first. A frozen process keeps its callbacks until it is thawed, a
dead one loses them, as SIGSTOP and SIGKILL do.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Coroutine

EPOCH_S = 1_767_225_600.0  # where wall clocks stand at the start of each simulation
_current: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class StuckError(Exception):
    """Nothing is left to happen, and what was waited for has not."""


class Process:
    """What is frozen and killed as one, and has a wall clock of its own."""

    def __init__(self, loop: Loop, name: str) -> None:
        self.name = name
        self.loop = loop
        self.is_dead = False
        self.wall_offset_s = 0.0
        self.kept: list[asyncio.Handle] | None = None  # while frozen: what it would have run
        loop.processes.append(self)
        self.context = contextvars.Context()
        self.context.run(_current.set, self)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return self.loop.create_task(coroutine, context=self.context.copy())

    def call_at(self, when: float, callback: Callable[..., object], *args: object) -> None:
        self.loop.call_at(when, callback, *args, context=self.context)

    def freeze(self) -> None:
        if self.kept is None:
            self.kept = []

    def thaw(self) -> None:
        if self.kept and not self.is_dead:
            self.loop.ready_again(self.kept)
        if not self.is_dead:
            self.kept = None

    def kill(self) -> None:
        self.is_dead = True
        self.freeze()

    def wall_s(self) -> float:
        return EPOCH_S + self.loop.time() + self.wall_offset_s


def current() -> Process:
    """The process whose callback is running."""
    process = _current.get()
    assert process is not None
    return process


class _Nothing:
    """What a selector is to a loop that talks to nobody."""

    def close(self) -> None:
        pass


class Loop(asyncio.BaseEventLoop):
    """The loop; `servers` answer those who connect to their name."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._selector = _Nothing()
        self._clock_resolution = 1e-9
        self._rng = rng
        self._at_s = 0.0
        self.servers: dict[str, Callable[[asyncio.BaseProtocol], Coroutine[Any, Any, None]]] = {}
        self.processes: list[Process] = []
        self.is_over = False  # no process is dead or frozen any more: everything may end
        self.callbacks = 0
        self.errors: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.errors.append(context))

    def time(self) -> float:
        return self._at_s

    def ready_again(self, handles: list[asyncio.Handle]) -> None:
        self._ready.extend(handles)

    def _write_to_self(self) -> None:  # nobody calls from another thread
        pass

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _run_once(self) -> None:
        scheduled, ready = self._scheduled, self._ready
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        if not ready and not self._stopping:
            if not scheduled:
                raise StuckError
            self._at_s = max(self._at_s, scheduled[0]._when)
        while scheduled and scheduled[0]._when <= self._at_s:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        self._run_ready(len(ready))

    def _run_ready(self, count: int) -> None:
        ready = self._ready
        if count == 1:
            self._run_handle(ready.popleft())
            return
        queues: dict[Process | None, list[asyncio.Handle]] = {}
        for _ in range(count):
            handle = ready.popleft()
            queues.setdefault(handle._context.get(_current), []).append(handle)
        order = list(queues.values())
        if len(order) > 1:
            self._rng.shuffle(order)
        for queue in order:
            for handle in queue:
                self._run_handle(handle)

    def _run_handle(self, handle: asyncio.Handle) -> None:
        if handle._cancelled:
            return
        if not self.is_over:
            process = handle._context.get(_current)
            if process is not None and process.kept is not None:
                process.kept.append(handle)
                return
        self.callbacks += 1
        handle._run()

    async def create_connection(self, factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:  # type: ignore[override]
        """Connect to one of `servers`, from the process that asks."""
        protocol = factory()
        await self.servers[f"{host}:{port}"](protocol)
        return None, protocol

    def end(self) -> None:
        """Let every task end, also those of the dead, and close."""
        self.is_over = True
        for process in self.processes:
            if process.kept:
                self.ready_again(process.kept)
        for _ in range(40):
            tasks = [task for task in asyncio.all_tasks(self) if not task.done()]
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            self.run_until_complete(asyncio.sleep(0.5))
        self.close()


class Time:
    """Takes the place of the module `time` where the product asks it."""

    def time(self) -> float:
        return current().wall_s()

    def time_ns(self) -> int:
        return int(current().wall_s() * 1_000_000) * 1_000

    def monotonic(self) -> float:
        return current().loop.time()

    perf_counter = monotonic
