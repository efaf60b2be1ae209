"""Passwords are hashed in processes of their own: a storm of sign-ins must not slow down a single save.

The queue in front of them is bounded; past it a sign-in is refused at once with the time to come back. The processes
end with the one that started them, however that one ends.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import secrets
import signal
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from app import telemetry
from app.errors import OverloadedError
from app.model.passwords import Verdict, hash_password, verify_password

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

# About 3 s of work at 26 ms a password: who waits longer gives up and tries again, which costs twice.
QUEUE_PER_PROCESS_MAX = 100
RETRY_AFTER_S = 5


def _end_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    parent = multiprocessing.parent_process()
    if parent is not None:

        def wait() -> None:
            parent.join()
            os._exit(0)

        Thread(target=wait, daemon=True).start()


class PasswordProcesses:
    """Verifies and makes password hashes, as many at once as there are processes."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._executor = self._start()
        self._queued = 0
        self._decoy: str | None = None
        self._warming: asyncio.Future[str] | None = None

    def _start(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")  # a fork would share the parent's sockets and locks
        return ProcessPoolExecutor(self._processes, mp_context=context, initializer=_end_with_parent)

    def warm_up(self) -> None:
        """Start the processes now, in the background; the first sign-in need not wait for them."""
        self._warming = asyncio.ensure_future(self._decoy_hash())
        self._warming.add_done_callback(lambda done: done.cancelled() or done.exception())

    def require_room(self) -> None:
        """Raise OverloadedError, with the time to come back, when too many passwords wait already."""
        if self._queued >= self._processes * QUEUE_PER_PROCESS_MAX:
            raise OverloadedError("Too many sign-ins at once.", retry_after_s=RETRY_AFTER_S)

    async def verify(self, password_hash: str | None, password: str) -> Verdict:
        """Compare; without a hash (no such user) WRONG, after the same time."""
        if password_hash is None:
            await self._run(verify_password, await self._decoy_hash(), password)
            return Verdict.WRONG
        return await self._run(verify_password, password_hash, password)

    async def make_hash(self, password: str) -> str:
        """Return the hash to store."""
        return await self._run(hash_password, password)

    async def _decoy_hash(self) -> str:
        if self._decoy is None:
            self._decoy = await self.make_hash(secrets.token_urlsafe(16))
        return self._decoy

    async def _run(self, work: Callable[..., Result], *arguments: str) -> Result:
        self.require_room()
        executor = self._executor
        try:
            future = asyncio.get_running_loop().run_in_executor(executor, work, *arguments)
        except BrokenExecutor:
            raise self._restarted(executor) from None
        self._queued += 1
        telemetry.PASSWORD_QUEUE.set(self._queued)
        future.add_done_callback(self._leave)  # not in a `finally`: the work goes on when its request is cancelled
        try:
            return await asyncio.shield(future)
        except BrokenExecutor:
            raise self._restarted(executor) from None

    def _leave(self, future: asyncio.Future[Result]) -> None:
        self._queued -= 1
        telemetry.PASSWORD_QUEUE.set(self._queued)
        if not future.cancelled():
            future.exception()  # retrieved here too, for when nobody waits any more

    def _restarted(self, broken: ProcessPoolExecutor) -> OverloadedError:
        if self._executor is broken:  # the first of its victims replaces it
            telemetry.log(telemetry.Event.PASSWORD_POOL_BROKEN, level=logging.ERROR)
            broken.shutdown(wait=False)
            self._executor = self._start()
        return OverloadedError("A process that hashes passwords died.", retry_after_s=1)

    def close(self) -> None:
        """Forget what waits, and end the processes when they have finished what they are at."""
        if self._warming is not None:
            self._warming.cancel()
        self._executor.shutdown(wait=True, cancel_futures=True)
