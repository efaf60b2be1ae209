"""Group commit: the waiting saves of this process travel as one pipeline, so that one fsync serves many teachers.

A request handler never talks to the store itself. It hands a packed save to `commit` and waits on a future that this
module alone completes: a request that is cancelled leaves no half-read reply behind. Saves that were in flight when a
connection was lost are sent again (accept.lua finds what it already has), until `commit_wait_ms_max` has passed; so are
those that a Cluster redirects, by the same way: wherever a save ends up, WAITAOF closes its pipeline there. Each server
has a circuit breaker (app/drafts/breaker.py): while it is open, saves that have another way are told so at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from app.drafts.breaker import Breaker, is_short
from app.drafts.connection import JournalProtocol, Reply, ReplyError, pack_command
from app.drafts.keys import section_key
from app.drafts.topology import ASKING, REDIRECT_PAUSE_S, Node, Topology
from app.drafts.waiting import Waiting, accept_command, calls_of
from app.errors import JournalUnavailableError, OverloadedError
from app.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PIPELINES_IN_FLIGHT_MAX = 2  # one being fsynced, one being read by the server; a third would only wait
SAVES_AT_ONCE_MIN = 16  # with so many the journal's server can begin, while the loop goes on with what else has arrived
RECONNECT_PAUSE_S = 0.05
SWEEP_S = 0.25
SILENCE_S_MAX = 1.0  # beyond `commit_wait_ms_max`: then the server is frozen or cut off, and the connection worthless
_REDIRECTED = ("MOVED", "ASK", "TRYAGAIN", "NOSCRIPT")
# What a server says that takes no edit now, whatever it is; and one that may have a successor, or soon be whole.
_FULL = ("OOM", "MISCONF")
_NOT_NOW = ("READONLY", "NOREPLICAS", "LOADING", "MASTERDOWN", "CLUSTERDOWN")
# A replica says what it has fsynced when it is asked, and otherwise once a second. WAITAOF asks once, which is before
# the replica's fsync; waiting for more replicas than there can be makes the server ask again.
_NUDGE = pack_command(("WAIT", "1000", "2"))


class Committer:
    """The committers of one process: one queue per primary, each with its own pinned connection."""

    def __init__(
        self,
        topology: Topology,
        *,
        queue_edits_max: int,
        wait_ms_max: int,
        silence_ms_max: int | None = None,
        replicas_min: int = 0,
        observe: Callable[[int], None] | None = None,
    ) -> None:
        self._topology = topology
        self._queue_edits_max = queue_edits_max
        self._wait_s_max = wait_ms_max / 1000
        self.replicas_min = replicas_min
        # How long a pipeline may stay unanswered before its server is taken for away.
        self.silence_s_max = self._wait_s_max + SILENCE_S_MAX if silence_ms_max is None else silence_ms_max / 1000
        # Closes each pipeline where replicas must have it too; one pipeline waits behind another.
        wait_ms = str(int(min(wait_ms_max, self.silence_s_max * 1000)) // PIPELINES_IN_FLIGHT_MAX)
        self.waitaof = pack_command(("WAITAOF", "1", str(replicas_min), wait_ms)) if replicas_min else None
        self._observe = observe
        self._lanes: dict[Node, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.patience = Patience()
        self._outstanding: dict[Waiting, None] = {}
        self._is_closed = False
        self.waiting_edits = 0

    async def commit(
        self, partition: int, section_id: int, save: bytes, edits: int, *, is_patient: bool = True
    ) -> bytes:
        """Return accept.lua's reply once everything it acknowledges is fsynced.

        Raises OverloadedError when too much waits already, and JournalUnavailableError when the journal did not
        answer in time or refused; the save may then still be in the journal, and sending it again is harmless.
        Where the save has another way (not `is_patient`), a journal that is away is not waited for.
        """
        edits = max(1, edits)  # a poll takes a place too
        if self.waiting_edits + edits > self._queue_edits_max:
            raise OverloadedError("too many edits wait for the journal", retry_after_s=2)
        loop = self._loop or self._start()
        deadline = self.patience.time() + self._wait_s_max
        key = section_key(partition, section_id)
        waiting = Waiting(partition, key, save, deadline, loop.create_future(), is_patient=is_patient)
        self.waiting_edits += edits
        self._outstanding[waiting] = None
        try:
            self.enqueue(waiting)
            return await waiting.future
        finally:
            del self._outstanding[waiting]
            self.waiting_edits -= edits

    async def within_silence(self, partition: int, question: Awaitable[None]) -> None:
        """Ask a server something before a save; where it is silent for too long, that counts as a silence to the save.

        Raises what the question raises, and JournalUnavailableError after that silence.
        """
        node = self._topology.node(partition)
        try:
            async with self.patience.timeout_at(self.patience.time() + self.silence_s_max):
                await question
        except TimeoutError:
            node.close()
            self._lane(node).breaker.trip("it does not answer")
            raise JournalUnavailableError("the journal is away", retry_after_s=2) from None

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        self._loop.call_later(SWEEP_S, self._sweep)
        return self._loop

    def _sweep(self) -> None:
        """Fail what has waited too long: one timer for all, since each waits equally long."""
        assert self._loop is not None  # noqa: S101 -- it runs on it
        now = self.patience.time()
        for waiting in list(self._outstanding):
            if waiting.deadline > now:
                break
            waiting.fail(JournalUnavailableError("the journal did not answer in time", retry_after_s=5))
        if not self._is_closed:
            self._loop.call_later(SWEEP_S, self._sweep)

    def enqueue(self, waiting: Waiting) -> None:
        """Put a save into the lane of the server that holds its partition."""
        lane = self._lane(self._topology.node(waiting.partition))
        if lane.breaker.is_open and not waiting.is_patient:
            waiting.fail(JournalUnavailableError("the journal is away", retry_after_s=2))
            return
        lane.waiting.append(waiting)
        lane.wake()

    def _lane(self, node: Node) -> _Lane:
        lane = self._lanes.get(node)
        if lane is None:
            breaker = Breaker(self._topology, node, self.replicas_min, self.spawn)
            lane = self._lanes[node] = _Lane(self, node, breaker)
        return lane

    async def redirect(self, call: list[Waiting], error: str) -> None:
        """Send a call again where the Cluster says that its slot is, or when it says that it is whole again."""
        partition = call[0].partition
        node, is_asking, pause_s = self._topology.node(partition), False, REDIRECT_PAUSE_S
        if error.startswith("MOVED"):
            self._topology.moved(partition, error)
            pause_s = REDIRECT_PAUSE_S if call[0].is_redirected else 0
        elif error.startswith("ASK"):
            node, is_asking = self._topology.at_redirect(error), True
        elif error.startswith("NOSCRIPT"):
            await self._reload(node)
        else:  # TRYAGAIN: sections of one partition are at two places while its slot moves: one by one
            for waiting in call:
                waiting.is_alone = True
        for waiting in call:
            waiting.is_redirected = True
        if is_asking:
            await self._lane(node).ask(call)
            return
        await asyncio.sleep(pause_s)
        for waiting in call:
            self.enqueue(waiting)

    async def _reload(self, node: Node) -> None:
        with contextlib.suppress(JournalUnavailableError, ConnectionError):
            await node.load_scripts(await node.connection())

    async def lost(self, node: Node) -> None:
        """Look where the partitions of a server are now that it does not answer, and wait a little."""
        with contextlib.suppress(JournalUnavailableError):
            await self._topology.learn(without=node)
        await asyncio.sleep(RECONNECT_PAUSE_S)

    def spawn(self, coroutine: object) -> asyncio.Task[None]:
        """Run in the background, kept alive until done."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coroutine)  # type: ignore[arg-type]  # ours only
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def observed(self, saves: int) -> None:
        """Report the size of a group."""
        if self._observe is not None:
            self._observe(saves)

    async def close(self) -> None:
        """Wait for what is in flight."""
        self._is_closed = True
        for lane in self._lanes.values():
            lane.breaker.close()
        pending = list(self._tasks)
        if pending:
            await asyncio.wait(pending, timeout=self._wait_s_max)
        self.patience.close()
        for lane in self._lanes.values():
            lane.close()


class _Lane:
    """The saves that wait for one server."""

    def __init__(self, committer: Committer, node: Node, breaker: Breaker) -> None:
        self._committer = committer
        self._node = node
        self.breaker = breaker
        self._nudging = Node(node.address)  # a connection that is not blocked by the WAITAOF
        self._nudge: asyncio.Task[None] | None = None
        self._gated = 0
        self._in_flight = 0
        self._is_scheduled = False
        self.waiting: list[Waiting] = []

    def wake(self) -> None:
        """Send what waits: at once if it is much, else after the event loop has handed over what has arrived by now."""
        if self._in_flight >= PIPELINES_IN_FLIGHT_MAX:
            return
        if len(self.waiting) >= SAVES_AT_ONCE_MIN and (connection := self._node.opened()) is not None:
            calls = self._take_waiting()
            self._committer.spawn(self._send(calls, self._write(connection, calls)))
        elif not self._is_scheduled:
            self._is_scheduled = True
            self._committer.spawn(self._send_later())

    def _take_waiting(self) -> list[list[Waiting]]:
        group, self.waiting = [w for w in self.waiting if not w.future.done()], []
        self._in_flight += 1
        return calls_of(group)

    async def _send_later(self) -> None:
        self._is_scheduled = False
        if self._in_flight < PIPELINES_IN_FLIGHT_MAX:
            await self._send(self._take_waiting())

    async def _send(self, calls: list[list[Waiting]], answered: asyncio.Future[list[Reply]] | None = None) -> None:
        try:
            if calls:
                await self._exchange(calls, answered)
                self._committer.observed(sum(map(len, calls)))
        finally:
            self._in_flight -= 1
            if self.waiting:
                self.wake()

    async def ask(self, call: list[Waiting]) -> None:
        """Send one call to the server that its slot is moving to."""
        await self._exchange([call], is_asking=True)

    def _write(
        self, connection: JournalProtocol, calls: list[list[Waiting]], *, is_asking: bool = False
    ) -> asyncio.Future[list[Reply]]:
        packed = [ASKING] if is_asking else []
        packed += [pack_command(accept_command(call)) for call in calls]
        if self._committer.waitaof is not None:
            packed.append(self._committer.waitaof)
        return connection.send(packed)

    async def _exchange(
        self,
        calls: list[list[Waiting]],
        answered: asyncio.Future[list[Reply]] | None = None,
        *,
        is_asking: bool = False,
    ) -> None:
        """Hand out the replies to these calls; `answered`: they are on their way already."""
        is_gated = self._committer.waitaof is not None
        try:
            patience = self._committer.patience
            async with patience.timeout_at(patience.time() + self._committer.silence_s_max):
                if answered is None:
                    answered = self._write(await self._node.connection(), calls, is_asking=is_asking)
                replies = await (self._gate(answered) if is_gated else answered)
        except TimeoutError:
            self._node.close()
            self._away(calls, "it does not answer")
            await self._again(calls)
        except JournalUnavailableError as error:
            self._away(calls, error.detail)
            await self._again(calls)
        except ConnectionError:
            await self._again(calls)
        else:
            self._take(calls, replies[1:] if is_asking else replies, is_gated=is_gated)

    async def _gate(self, answered: asyncio.Future[list[Reply]]) -> list[Reply]:
        """Wait for the replies behind a WAITAOF, while the replicas are asked for what they have."""
        self._gated += 1
        if self._nudge is None or self._nudge.done():
            self._nudge = self._committer.spawn(self._ask_replicas())
        try:
            return await answered
        finally:
            self._gated -= 1

    async def _ask_replicas(self) -> None:
        with contextlib.suppress(JournalUnavailableError, ConnectionError):
            connection = await self._nudging.connection()
            while self._gated:
                await connection.send([_NUDGE])

    def close(self) -> None:
        """Close the lane's own connection."""
        self._nudging.close()

    def _take(self, calls: list[list[Waiting]], replies: list[Reply], *, is_gated: bool) -> None:
        is_late = is_gated and is_short(replies.pop(), self._committer.replicas_min)
        if is_late:
            self.breaker.trip("too few replicas have the edits", is_readable=True)
        for call, reply in zip(calls, replies, strict=True):
            if isinstance(reply, ReplyError):
                self._refused(call, str(reply))
            elif is_late:
                for waiting in call:
                    waiting.fail(JournalUnavailableError("too few replicas have the edits", retry_after_s=2))
            else:
                for waiting, answer in zip(call, reply, strict=True):
                    waiting.answer(answer)

    def _refused(self, call: list[Waiting], error: str) -> None:
        if error.startswith(_FULL):
            self.breaker.trip(error, is_readable=True)
        if error.startswith(_REDIRECTED):
            self._committer.spawn(self._committer.redirect(call, error))
        elif error.startswith(_NOT_NOW):
            self._away([call], error)
            self._committer.spawn(self._again([call]))
        elif len(call) > 1 and not error.startswith(_FULL):
            for waiting in call:  # the script failed over one of them, perhaps a head of a newer release
                waiting.is_alone = True
                self._committer.enqueue(waiting)
        else:
            for waiting in call:
                waiting.fail(JournalUnavailableError(f"the journal refused: {error}", retry_after_s=2))

    def _away(self, calls: list[list[Waiting]], reason: str) -> None:
        """Open the breaker: who has another way takes it now."""
        self.breaker.trip(reason)
        for waiting in [*self.waiting, *(w for call in calls for w in call)]:
            if not waiting.is_patient:
                waiting.fail(JournalUnavailableError("the journal is away", retry_after_s=2))

    async def _again(self, calls: list[list[Waiting]]) -> None:
        """Put saves back whose connection was lost; they expire on their own clock."""
        await self._committer.lost(self._node)
        for waiting in (w for call in calls for w in call if not w.future.done()):
            self._committer.enqueue(waiting)
