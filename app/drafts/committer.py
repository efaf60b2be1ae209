"""Group commit: the waiting saves of this process travel as one pipeline, so that one fsync serves many teachers.

A request handler never talks to the store itself. It hands a packed save to `commit` and waits on a future that this
module alone completes: a request that is cancelled leaves no half-read reply behind. Saves that were in flight when a
connection was lost are sent again (accept.lua finds what it already has), until `commit_wait_ms_max` has passed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.drafts.connection import Reply, ReplyError, pack_command
from app.drafts.keys import EVENTS, STREAM, section_key
from app.drafts.topology import ACCEPT, Node, Topology
from app.errors import JournalUnavailableError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable

PIPELINES_IN_FLIGHT_MAX = 2  # one being fsynced, one being read by the server; a third would only wait
SAVES_PER_CALL_MAX = 64
RECONNECT_PAUSE_S = 0.05
SWEEP_S = 0.25
_EVALSHA = b"EVALSHA"


class Waiting:
    """A save that waits for its reply."""

    __slots__ = ("deadline", "future", "key", "partition", "save")

    def __init__(self, partition: int, key: bytes, save: bytes, deadline: float, future: asyncio.Future[bytes]) -> None:
        self.partition = partition
        self.key = key
        self.save = save
        self.deadline = deadline
        self.future = future


class Committer:
    """The committers of one process: one queue per primary, each with its own pinned connection."""

    def __init__(
        self,
        topology: Topology,
        *,
        queue_edits_max: int,
        wait_ms_max: int,
        replicas_min: int = 0,
        observe: Callable[[int], None] | None = None,
    ) -> None:
        self._topology = topology
        self._queue_edits_max = queue_edits_max
        self._wait_s_max = wait_ms_max / 1000
        self._replicas_min = replicas_min
        self._observe = observe
        self._lanes: dict[Node, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._outstanding: dict[Waiting, None] = {}
        self._is_closed = False
        self.waiting_edits = 0

    async def commit(self, partition: int, section_id: int, save: bytes, edits: int) -> bytes:
        """Return accept.lua's reply once everything it acknowledges is fsynced.

        Raises OverloadedError when too much waits already, and JournalUnavailableError when the journal did not
        answer in time or refused; the save may then still be in the journal, and sending it again is harmless.
        """
        if self.waiting_edits + edits > self._queue_edits_max:
            raise OverloadedError("too many edits wait for the journal", retry_after_s=2)
        loop = self._loop or self._start()
        waiting = Waiting(
            partition, section_key(partition, section_id), save, loop.time() + self._wait_s_max, loop.create_future()
        )
        self.waiting_edits += edits
        self._outstanding[waiting] = None
        try:
            self.enqueue(waiting)
            return await waiting.future
        finally:
            del self._outstanding[waiting]
            self.waiting_edits -= edits

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        self._loop.call_later(SWEEP_S, self._sweep)
        return self._loop

    def _sweep(self) -> None:
        """Fail what has waited too long: one timer for all, since each waits equally long."""
        assert self._loop is not None  # noqa: S101 -- it runs on it
        now = self._loop.time()
        for waiting in list(self._outstanding):
            if waiting.deadline > now:
                break
            _fail(waiting, JournalUnavailableError("the journal did not answer in time", retry_after_s=5))
        if not self._is_closed:
            self._loop.call_later(SWEEP_S, self._sweep)

    def enqueue(self, waiting: Waiting) -> None:
        """Put a save into the lane of the server that holds its partition."""
        node = self._topology.node(waiting.partition)
        lane = self._lanes.get(node)
        if lane is None:
            lane = self._lanes[node] = _Lane(self, node)
        lane.waiting.append(waiting)
        lane.wake()

    async def redirect(self, waiting: Waiting, packed: bytes, error: str) -> None:
        """Repeat one save where the cluster says that its slot is."""
        try:
            reply = await self._topology.retry(waiting.partition, packed, error)
            _answer(waiting, reply[0])
        except JournalUnavailableError as refused:
            _fail(waiting, refused)

    def spawn(self, coroutine: object) -> None:
        """Run in the background, kept alive until done."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coroutine)  # type: ignore[arg-type]  # ours only
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def waitaof(self) -> bytes | None:
        """Return the packed WAITAOF that closes each pipeline, where replicas must have it too."""
        if not self._replicas_min:
            return None
        wait_ms = str(int(self._wait_s_max * 1000))
        return pack_command(("WAITAOF", "1", str(self._replicas_min), wait_ms))

    def observed(self, saves: int) -> None:
        """Report the size of a group."""
        if self._observe is not None:
            self._observe(saves)

    @property
    def replicas_min(self) -> int:
        """Replica fsyncs that an acknowledgement waits for."""
        return self._replicas_min

    async def close(self) -> None:
        """Wait for what is in flight."""
        self._is_closed = True
        pending = list(self._tasks)
        if pending:
            await asyncio.wait(pending, timeout=self._wait_s_max)


class _Lane:
    """The saves that wait for one server."""

    def __init__(self, committer: Committer, node: Node) -> None:
        self._committer = committer
        self._node = node
        self._in_flight = 0
        self._is_scheduled = False
        self.waiting: list[Waiting] = []

    def wake(self) -> None:
        """Send what waits, after the event loop has handed over everything that has arrived by now."""
        if not self._is_scheduled and self._in_flight < PIPELINES_IN_FLIGHT_MAX:
            self._is_scheduled = True
            self._committer.spawn(self._send())

    async def _send(self) -> None:
        self._is_scheduled = False
        group, self.waiting = [w for w in self.waiting if not w.future.done()], []
        if not group:
            return
        self._in_flight += 1
        try:
            calls = _calls(group)
            packed = [pack_command(_evalsha(call)) for call in calls]
            waitaof = self._committer.waitaof()
            connection = await self._node.connection()
            replies = await connection.send([*packed, waitaof] if waitaof else packed)
        except ConnectionError:
            await self._again(group)
        except JournalUnavailableError as error:
            if not await self._again(group):
                for waiting in group:
                    _fail(waiting, error)
        else:
            self._committer.observed(len(group))
            self._take(calls, packed, replies, waitaof is not None)
        finally:
            self._in_flight -= 1
            if self.waiting:
                self.wake()

    def _take(self, calls: list[list[Waiting]], packed: list[bytes], replies: list[Reply], gated: bool) -> None:  # noqa: FBT001
        if gated:
            reached = replies.pop()
            if isinstance(reached, ReplyError) or reached[1] < self._committer.replicas_min:
                error = JournalUnavailableError("too few replicas have the edits", retry_after_s=2)
                for waiting in (w for call in calls for w in call):
                    _fail(waiting, error)
                return
        for call, command, reply in zip(calls, packed, replies, strict=True):
            if not isinstance(reply, ReplyError):
                for waiting, answer in zip(call, reply, strict=True):
                    _answer(waiting, answer)
            else:
                self._refused(call, command, str(reply))

    def _refused(self, call: list[Waiting], command: bytes, error: str) -> None:
        if error.startswith(("MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "NOSCRIPT")):
            if len(call) == 1:
                self._committer.spawn(self._committer.redirect(call[0], command, error))
                return
            # Sections of one partition can be on different nodes while its slot moves: one by one.
            for waiting in call:
                single = pack_command(_evalsha([waiting]))
                self._committer.spawn(self._committer.redirect(waiting, single, error))
            return
        for waiting in call:
            _fail(waiting, JournalUnavailableError(f"the journal refused: {error}", retry_after_s=2))

    async def _again(self, group: list[Waiting]) -> bool:
        """Put a group back whose connection was lost; its saves expire on their own clock."""
        group = [w for w in group if not w.future.done()]
        if not group:
            return True
        await asyncio.sleep(RECONNECT_PAUSE_S)
        for waiting in group:
            self._committer.enqueue(waiting)
        return True


def _calls(group: list[Waiting]) -> list[list[Waiting]]:
    """Merge the saves of each partition into as few script calls as allowed, keeping their order."""
    by_partition: dict[int, list[Waiting]] = {}
    calls: list[list[Waiting]] = []
    for waiting in group:
        call = by_partition.get(waiting.partition)
        if call is None or len(call) >= SAVES_PER_CALL_MAX:
            call = by_partition[waiting.partition] = []
            calls.append(call)
        call.append(waiting)
    return calls


def _evalsha(call: list[Waiting]) -> tuple[bytes | str, ...]:
    partition = call[0].partition
    return (
        _EVALSHA,
        ACCEPT.digest,
        b"%d" % (len(call) + 1),
        STREAM[partition],
        *[w.key for w in call],
        EVENTS[partition],
        *[w.save for w in call],
    )


def _answer(waiting: Waiting, reply: bytes) -> None:
    if not waiting.future.done():
        waiting.future.set_result(reply)


def _fail(waiting: Waiting, error: Exception) -> None:
    if not waiting.future.done():
        waiting.future.set_exception(error)
