"""Connections to PostgreSQL, and what its failures mean.

The pool of asyncpg is last-in first-out and can starve a waiter, and `acquire` without a timeout waits for ever; both
are closed here by a fair semaphore with a deadline. No timeout is ever put on COMMIT: a cancelled synchronous commit
is committed on the primary alone, and its retry would find nothing to write.
"""

from __future__ import annotations

import asyncio
import copy
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from app.errors import RecordsUnavailableError
from app.patience import patiently
from app.records.places import Places

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.settings import Settings

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"  # a text: only the stubs are generic
Row: TypeAlias = asyncpg.Record

# Shorter cached plans pay off for our few hot statements only when the planner sees the array lengths:
# 21,300 against 17,600 rows/s at 1,000 rows a flush (docs/adr/0004).
SERVER_SETTINGS = {"plan_cache_mode": "force_custom_plan", "timezone": "UTC"}
# What requests ask is a look by key into indexes, and its plan is the same for every key; to plan it anew each time
# took four times as long as to carry it out (docs/sizing.md).
# Such a plan is kept while a table grows from nothing (a new school year): it must not be one that reads all of it.
REQUEST_SETTINGS = SERVER_SETTINGS | {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
CONNECT_S_MAX = 3
# Of several hosts the first may be a machine without power, which answers nothing: it must not use up the others' time.
HOST_S_MAX = 1
WRITABLE: dict[str, Any] = {"target_session_attrs": "read-write"}

# SQLSTATE classes and codes that say something about the database, not about the data: never quarantine, back off.
_INFRASTRUCTURE = ("08", "53", "57", "58", "40", "XX", "25", "28", "3D", "42", "55")
# The server is not, or is no longer, the one that can be written: what else the pool keeps open leads there too.
_DEPOSED = ("25006", "57P01", "57P02", "57P03")
_POISON = ("22", "23", "54")  # data errors, constraints, limits (JSON deeper than the stack)


def is_infrastructure(error: BaseException) -> bool:
    """Tell errors that pass by themselves: connection lost, out of space, shutting down, schema not there yet.

    23514 without a constraint's name is a missing partition: infrastructure too, although its class is 23.
    """
    # InternalClientError is what a statement meets on a connection that PostgreSQL has ended a moment ago.
    if isinstance(
        error,
        OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError | asyncpg.PostgresConnectionError,
    ):
        return True
    if not isinstance(error, asyncpg.PostgresError):
        return False
    state = error.sqlstate or ""
    if state == "23514" and not getattr(error, "constraint_name", None):
        return True
    return state[:2] in _INFRASTRUCTURE


def is_poison(error: BaseException) -> bool:
    """Tell where PostgreSQL refuses the data itself, so that trying again cannot help."""
    return (
        isinstance(error, asyncpg.PostgresError)
        and not is_infrastructure(error)
        and (error.sqlstate or "")[:2] in _POISON
    )


def is_duplicate(error: BaseException) -> bool:
    """Tell a unique violation: somebody else recorded the same edit or the same version first."""
    return isinstance(error, asyncpg.UniqueViolationError)


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of a database error."""
    return error.sqlstate if isinstance(error, asyncpg.PostgresError) else None


class Pool:
    """PostgreSQL for requests: opened lazily, so that the service starts and saves while PostgreSQL is away."""

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        connections_max: int,
        acquire_ms_max: int,
        hold_ms_max: int | None = None,
    ) -> None:
        self._pool = pool
        self._places = [Places(connections_max, acquire_ms_max, "all")]
        self._acquire_s_max = acquire_ms_max / 1000
        self._hold_s_max = None if hold_ms_max is None else hold_ms_max / 1000

    def share(self, work: str, connections_max: int, wait_ms_max: int) -> Pool:
        """Return the pool as one kind of work may use it: so many of its connections at most, so long a wait.

        However much of that work there is, the other connections are left to the others.
        """
        shared = copy.copy(self)
        own = Places(connections_max, wait_ms_max, work)
        shared._places = [own, *self._places]  # noqa: SLF001 -- another pool of this class, made here
        return shared

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """Lend a connection; raise OverloadedError after the wait, RecordsUnavailableError when PostgreSQL is away.

        Infrastructure errors raised inside the block become RecordsUnavailableError too. Where the wait for an answer
        is given up, the connection is worthless and is closed at once: to give it back in order is another wait, for
        the server to say that it has stopped, and a silent server says nothing.
        """
        async with AsyncExitStack() as places:
            for place in self._places:
                await places.enter_async_context(place.take())
            try:
                async with (
                    asyncio.timeout(self._hold_s_max),
                    self._pool.acquire(timeout=self._acquire_s_max) as connection,
                ):
                    try:
                        yield connection  # type: ignore[misc]  # asyncpg gives a proxy with the methods of a connection
                    except asyncio.CancelledError:
                        connection.terminate()
                        raise
            except Exception as error:
                if is_infrastructure(error):
                    if sqlstate_of(error) in _DEPOSED:
                        await self._pool.expire_connections()
                    raise RecordsUnavailableError(
                        f"PostgreSQL is away: {type(error).__name__}", retry_after_s=5
                    ) from error
                raise

    async def close(self) -> None:
        """Close every connection, waiting a little for those in use."""
        try:
            async with asyncio.timeout(5):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


class Hosts:
    """The hosts that a DSN names, of which one can be written; it is the one that is tried first the next time."""

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        user, at, hosts = parts.netloc.rpartition("@")
        self.urls = [urlunsplit(parts._replace(netloc=f"{user}{at}{host}")) for host in hosts.split(",")]

    async def connect(self, _url: str = "", **options: Any) -> Any:
        """Return a connection to the first host that answers in time and can be written; raise what the last one did.

        So a backup that still replays its log, or a standby behind an address of its own, is taken for away: what it
        shows is older than what has been called recorded. `_url`: the pool passes the whole DSN, which is known.
        """
        *others, last = tuple(self.urls)
        for url in others:
            try:
                return await self._connect_to(url, options)
            except Exception as error:
                if not is_infrastructure(error):
                    raise
        return await self._connect_to(last, options)

    async def _connect_to(self, url: str, options: dict[str, Any]) -> Any:
        seconds = HOST_S_MAX if len(self.urls) > 1 else CONNECT_S_MAX
        async with patiently(seconds):
            connection = await asyncpg.connect(url, **WRITABLE, **options)
        self.urls.sort(key=lambda other: other != url)
        return connection


def _away(error: Exception) -> RecordsUnavailableError:
    """Return what is said where nobody connects: to a person, too, who has called a command."""
    is_read_only = isinstance(error, asyncpg.TargetServerAttributeNotMatched)
    why = "it can be read only (a standby, or a backup that still replays its log)" if is_read_only else error
    return RecordsUnavailableError(f"PostgreSQL is away: {why}", retry_after_s=5)


async def writable_url(database_url: str) -> str:
    """Return the DSN of the one host that can be written now; RecordsUnavailableError where there is none."""
    hosts = Hosts(database_url)
    try:
        connection = await hosts.connect()
    except Exception as error:
        if is_infrastructure(error):
            raise _away(error) from error
        raise
    await connection.close()
    return hosts.urls[0]


async def _leave_as_it_is(_: Connection) -> None:
    """Give a connection back without a round trip: requests leave no setting, no lock and no cursor behind.

    A transaction that was left open is rolled back in any case.
    """


async def create_pool(
    settings: Settings,
    *,
    connections_max: int | None = None,
    application_name: str = "inkfast",
    hold_ms_max: int | None = None,
) -> Pool:
    """Return a pool; no connection is made before the first use.

    `hold_ms_max`: beyond it, whoever holds a connection is told that PostgreSQL is away. Requests need that: behind a
    network that swallows everything, the server's own timeouts reach nobody.
    """
    size = connections_max or settings.database_connections_max
    connect_host: Any = Hosts(settings.database_url).connect  # the stubs want it generic
    pool = await asyncpg.create_pool(
        settings.database_url,
        min_size=0,
        max_size=size,
        connect=connect_host,
        reset=_leave_as_it_is,
        server_settings=REQUEST_SETTINGS
        | {"application_name": application_name, "statement_timeout": str(settings.database_statement_ms_max)},
    )
    return Pool(pool, size, settings.database_acquire_ms_max, hold_ms_max)


async def connect(database_url: str, *, application_name: str, **server_settings: str) -> Connection:
    """Return one connection of one's own, without timeouts (workers, commands), or raise RecordsUnavailableError."""
    try:
        connection: Any = await Hosts(database_url).connect(
            server_settings=SERVER_SETTINGS | {"application_name": application_name} | server_settings,
        )
    except Exception as error:
        if is_infrastructure(error):
            raise _away(error) from error
        raise
    return connection  # type: ignore[no-any-return]
