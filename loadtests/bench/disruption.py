"""Teachers who go on typing while the service loses a process: what they notice.

`python -m loadtests.bench.disruption` reads a plan, says "ready" when everyone is connected, goes on until `seconds`
after "go", and answers with what was lost. Each teacher saves about twenty times a second over one connection, connects
anew when it breaks, and gives an answer two seconds.
"""

from __future__ import annotations

import asyncio
import sys
import time

import msgspec
from msgspec import Struct

from loadtests.bench.plan import GO, READY, Plan, decode_plan, encode
from loadtests.bench.saves import requests_of

PAUSE_S = 0.05
RETRY_S = 0.02
ANSWER_S_MAX = 2.0


class Noticed(Struct):
    """What the teachers saw. A save without an answer is sent again; what counts is how long that takes."""

    answered: int
    broken: int  # in flight when the connection broke
    refused: int  # attempts to connect
    unanswered: int  # nothing within two seconds
    longest_s: float  # the longest that any teacher went without an answer
    answered_in_last_second: int


class Watch:
    """What all teachers saw, in one place."""

    def __init__(self) -> None:
        self.broken = self.refused = self.unanswered = 0
        self.times: list[float] = []
        self.longest_s = 0.0
        self.end = float("inf")


class Client:
    """One teacher."""

    def __init__(self, plan: Plan, number: int, watch: Watch) -> None:
        self._plan = plan
        self._requests = requests_of(plan, plan.teachers[number], number)[0]
        self._watch = watch
        self.answered = asyncio.Event()

    async def run(self) -> None:
        """Type until the end; what had no answer is sent again, as the outbox does."""
        watch, last = self._watch, time.monotonic()
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        request = next(self._requests)
        while time.monotonic() <= watch.end:
            try:
                if reader is None or writer is None:
                    reader, writer = await asyncio.open_connection(self._plan.host, self._plan.port)
                async with asyncio.timeout(ANSWER_S_MAX):
                    writer.write(request)
                    await self._answer(reader)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                self._note(error, is_connected=writer is not None)
                if writer is not None:
                    writer.close()
                reader = writer = None
                await asyncio.sleep(RETRY_S)
            else:
                now = time.monotonic()
                watch.longest_s = max(watch.longest_s, now - last)
                watch.times.append(now)
                last = now
                request = next(self._requests)
                self.answered.set()
                await asyncio.sleep(PAUSE_S)
        watch.longest_s = max(watch.longest_s, watch.end - last)
        if writer is not None:
            writer.close()

    @staticmethod
    async def _answer(reader: asyncio.StreamReader) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if head[9:12] != b"200":
            raise ConnectionError(head[9:12])
        at = head.index(b"content-length: ") + 16
        await reader.readexactly(int(head[at : head.index(b"\r", at)]))

    def _note(self, error: Exception, *, is_connected: bool) -> None:
        if isinstance(error, TimeoutError):
            self._watch.unanswered += 1
        elif is_connected:
            self._watch.broken += 1
        else:
            self._watch.refused += 1


async def watch_service(plan: Plan) -> Noticed:
    """Do as the module says."""
    if plan.seconds is None:
        raise ValueError("the plan does not say for how long")
    watch = Watch()
    clients = [Client(plan, number, watch) for number in range(len(plan.teachers))]
    tasks = [asyncio.create_task(client.run()) for client in clients]
    await asyncio.gather(*(client.answered.wait() for client in clients))
    watch.longest_s = 0.0
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    loop = asyncio.get_running_loop()
    if await loop.run_in_executor(None, sys.stdin.buffer.readline) != GO:
        sys.exit(1)
    began = time.monotonic()
    watch.end = began + plan.seconds
    await asyncio.gather(*tasks)
    since = sum(at >= began for at in watch.times)
    late = sum(at >= watch.end - 1 for at in watch.times)
    return Noticed(since, watch.broken, watch.refused, watch.unanswered, watch.longest_s, late)


decode_noticed = msgspec.json.Decoder(Noticed).decode


def main() -> None:
    """Print the answer as one line of JSON."""
    plan = decode_plan(sys.stdin.buffer.readline())
    sys.stdout.buffer.write(encode(asyncio.run(watch_service(plan))) + b"\n")


if __name__ == "__main__":
    main()
