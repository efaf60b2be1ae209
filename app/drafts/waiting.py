"""A save that waits for the journal's reply, and the script calls in which such saves travel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.drafts.keys import EVENTS, STREAM
from app.drafts.topology import ACCEPT

if TYPE_CHECKING:
    import asyncio

SAVES_PER_CALL_MAX = 64
_EVALSHA = b"EVALSHA"


class Waiting:
    """A save that waits for its reply."""

    __slots__ = ("deadline", "future", "is_alone", "is_patient", "is_redirected", "key", "partition", "save")

    def __init__(
        self,
        partition: int,
        key: bytes,
        save: bytes,
        deadline: float,
        future: asyncio.Future[bytes],
        *,
        is_patient: bool,
    ) -> None:
        self.partition = partition
        self.key = key
        self.save = save
        self.deadline = deadline
        self.future = future
        self.is_patient = is_patient  # waits for a journal that is away
        self.is_alone = False  # not to be merged with others any more
        self.is_redirected = False

    def answer(self, reply: bytes) -> None:
        """Hand the reply out, unless nobody waits for it any more."""
        if not self.future.done():
            self.future.set_result(reply)

    def fail(self, error: Exception) -> None:
        """Say why there is no reply, unless nobody waits for it any more."""
        if not self.future.done():
            self.future.set_exception(error)


def calls_of(group: list[Waiting]) -> list[list[Waiting]]:
    """Merge the saves of each partition into as few script calls as allowed, keeping their order."""
    by_partition: dict[int, list[Waiting]] = {}
    calls: list[list[Waiting]] = []
    for waiting in group:
        if waiting.is_alone:
            calls.append([waiting])
            continue
        call = by_partition.get(waiting.partition)
        if call is None or len(call) >= SAVES_PER_CALL_MAX:
            call = by_partition[waiting.partition] = []
            calls.append(call)
        call.append(waiting)
    return calls


def accept_command(call: list[Waiting]) -> tuple[bytes | str, ...]:
    """Return the script call that takes these saves, all of one partition."""
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
