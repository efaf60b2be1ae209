"""A PostgreSQL in memory, at the level of asyncpg's connection: sessions, transactions, row locks, unknown outcomes.

Statements are known by the text of app/records/sql (tests/simulation/statements.py says what each does). A statement
that meets a lock waits and runs again; a COMMIT takes effect after its fsync, and its answer can be lost on the way.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from app.records import statements as sql
from tests.simulation.clock import Process, current
from tests.simulation.statements import Statements, incarnation
from tests.simulation.tables import Blocked, Tables, Transaction, read_copy

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from tests.simulation.clock import Loop
    from tests.simulation.network import Network

_NAMES = {sql.load(path.stem): path.stem for path in (Path(sql.__file__).parent / "sql").glob("*.sql")}
_SYNC_WAIT_CANCELLED = "canceling wait for synchronous replication due to user request"


class Session:
    """One connection, at the server."""

    def __init__(self, process: Process, idle_s_max: float, statement_s_max: float) -> None:
        self.process = process
        self.idle_s_max = idle_s_max
        self.statement_s_max = statement_s_max
        self.is_open = True
        self.tx: Transaction | None = None
        self.queue: list[tuple[str, Sequence[Any], asyncio.Future[Any], str]] = []
        self.is_busy = False
        self.turn = 0
        self.waits_for: Transaction | None = None
        self.listeners: list[Callable[..., None]] = []
        self.waiting: list[asyncio.Future[Any]] = []


class Records:
    """The server."""

    def __init__(self, loop: Loop, rng: random.Random, network: Network, sections: Sequence[int]) -> None:
        self.process = Process(loop, "records")
        self._loop = loop
        self._rng = rng
        self._network = network
        self.tables = Tables()
        self._do = Statements(sections, self.process.wall_s)
        self.is_up = True
        self.sync_doubts = 0.0
        self.before_commit: Callable[[Transaction], None] = lambda _: None
        self._sessions: list[Session] = []
        self._blocked: list[Session] = []
        self.statements = 0
        self.tables.rows["installation"][0] = incarnation(1)
        for partition in range(len(sections)):
            row = {"owner": None, "epoch": 0, "until": None, "parked": 0}
            self.tables.rows["flush_partition"][partition] = row

    # Connections

    async def connect(self, _url: str = "", **options: Any) -> Connection:
        """As asyncpg.connect."""
        process = current()
        if not await self._network.reaches(process, self.process) or not self.is_up:
            raise ConnectionRefusedError
        settings = options.get("server_settings", {})
        idle_s = int(settings.get("idle_in_transaction_session_timeout", 0)) / 1000
        session = Session(process, idle_s, int(settings.get("statement_timeout", 0)) / 1000)
        self._sessions.append(session)
        return Connection(self, session)

    async def create_pool(self, _url: str, **options: Any) -> ConnectionPool:
        """As asyncpg.create_pool."""
        return ConnectionPool(self, options["server_settings"])

    def cut(self, session: Session) -> None:
        """Close a connection: what it had begun is rolled back (unless it is being committed), its client is told."""
        if not session.is_open:
            return
        session.is_open = False
        self._sessions.remove(session)
        session.queue.clear()
        if session in self._blocked:
            self._blocked.remove(session)
        tx, session.tx = session.tx, None
        if tx is not None:
            self._loop.call_soon(self._ended, tx, context=self.process.context)
        session.process.call_at(self._loop.time(), self._tell_lost, session)

    def _tell_lost(self, session: Session) -> None:
        for future in session.waiting:
            if not future.done():
                future.set_exception(
                    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
                )

    def _ended(self, tx: Transaction) -> None:
        tx.end()
        blocked, self._blocked = self._blocked, []
        for session in blocked:
            self._continue(session)

    def cut_all_of(self, process: Process) -> None:
        for session in [s for s in self._sessions if s.process is process]:
            self.cut(session)

    def cut_some(self, rng: random.Random) -> None:
        for session in list(self._sessions):
            if rng.random() < 0.5:
                self.cut(session)

    def stop(self) -> None:
        """Go away as by `immediate` or SIGKILL; what is committed stays."""
        self.is_up = False
        for session in list(self._sessions):
            self.cut(session)

    def start(self) -> None:
        self.is_up = True

    # Statements

    def send(self, session: Session, kind: str, arguments: Sequence[Any]) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        if not session.is_open:
            future.set_exception(asyncpg.InterfaceError("connection is closed"))
            return future
        session.waiting = [f for f in session.waiting if not f.done()]
        session.waiting.append(future)
        fate = self._network.fate()
        if fate == "lost before":
            self._loop.call_soon(self.cut, session, context=session.process.context)
        else:
            self._network.later(session, "in", self.process, self._receive, session, (kind, arguments, future, fate))
        return future

    def _receive(self, session: Session, message: tuple[str, Sequence[Any], asyncio.Future[Any], str]) -> None:
        if session.is_open:
            session.queue.append(message)
            session.turn += 1
            if not session.is_busy:
                self._continue(session)

    def _continue(self, session: Session) -> None:
        """Run a session's next statement, or run again what was blocked."""
        if not session.is_open or not session.queue:
            return
        session.is_busy = True
        session.waits_for = None
        kind, arguments, _, _ = session.queue[0]
        if kind == "commit":
            fsync_s = self._rng.uniform(0.0005, 0.008)
            tx, session.tx = session.tx, None  # a connection that is lost from here on does not stop it
            self.process.call_at(self._loop.time() + fsync_s, self._commit, session, tx)
            return
        try:
            done = self._run(session, kind, arguments)
        except Blocked as blocked:
            self._block(session, blocked)
        except asyncpg.PostgresError as error:
            self._reply(session, error)
        else:
            self._reply(session, done)

    def _run(self, session: Session, kind: str, arguments: Sequence[Any]) -> Any:
        self.statements += 1
        if kind == "begin":
            if session.tx is None:
                session.tx = Transaction(self.tables)
            else:
                session.tx.save()
            return None
        if kind == "rollback":
            tx = session.tx
            if tx is not None and tx.savepoints:
                tx.back_to_savepoint()
            elif tx is not None:
                session.tx = None
                self._ended(tx)
            return None
        tx = session.tx or Transaction(self.tables)
        handler = getattr(self._do, kind, None)
        if handler is None:
            raise AssertionError(f"the simulated records do not know {kind!r}")
        before = tx.copy_of_written()
        try:
            done = handler(tx, *arguments)
        except Exception:
            tx.written = before  # a statement leaves nothing behind, or all
            if session.tx is None:
                tx.end()
            raise
        if session.tx is None:
            tx.commit()
            self._ended(tx)
        return done

    def _commit(self, session: Session, tx: Transaction | None) -> None:
        if tx is not None:
            if not self.is_up:
                tx.end()
                return
            self.before_commit(tx)
            tx.commit()
            self._ended(tx)
            if self._rng.random() < self.sync_doubts:
                for listener in session.listeners:
                    listener(None, _SYNC_WAIT_CANCELLED)
        if session.is_open:
            self._reply(session, None)

    def _block(self, session: Session, blocked: Blocked) -> None:
        session.waits_for = blocked.owner
        by_tx = {id(s.tx): s for s in self._sessions if s.tx is not None}
        seen, at = {id(session.tx)}, by_tx.get(id(blocked.owner))
        while at is not None and at.waits_for is not None:
            if id(at.tx) in seen:
                self._reply(session, asyncpg.DeadlockDetectedError("deadlock detected"))
                return
            seen.add(id(at.tx))
            at = by_tx.get(id(at.waits_for))
        self._blocked.append(session)
        if session.statement_s_max:
            at_s = self._loop.time() + session.statement_s_max
            self.process.call_at(at_s, self._cancel, session, session.turn)

    def _cancel(self, session: Session, turn: int) -> None:
        if session in self._blocked and session.turn == turn:
            self._blocked.remove(session)
            self._reply(session, asyncpg.QueryCanceledError("canceling statement due to statement timeout"))

    def _reply(self, session: Session, done: Any) -> None:
        _, _, future, fate = session.queue.pop(0)
        session.is_busy = False
        if session.tx is not None and session.idle_s_max:
            at_s = self._loop.time() + session.idle_s_max
            self.process.call_at(at_s, self._end_idle, session, session.turn)
        if fate == "lost after":
            self.cut(session)
            return
        self._network.later(session, "out", session.process, _settle, future, done)
        self._continue(session)

    def _end_idle(self, session: Session, turn: int) -> None:
        if session.turn == turn and session.tx is not None and not session.is_busy:
            self.cut(session)


def _settle(future: asyncio.Future[Any], done: Any) -> None:
    if future.done():
        return
    if isinstance(done, Exception):
        future.set_exception(done)
    else:
        future.set_result(done)


class Connection:
    """As much of asyncpg's as the product uses."""

    def __init__(self, records: Records, session: Session) -> None:
        self._records = records
        self.session = session

    async def ask(self, kind: str, *arguments: Any) -> Any:
        try:
            return await self._records.send(self.session, kind, arguments)
        except asyncio.CancelledError:
            self.terminate()
            raise

    async def fetch(self, query: str, *arguments: Any) -> Any:
        return await self.ask(_NAMES[query], *arguments)

    async def fetchrow(self, query: str, *arguments: Any) -> Any:
        rows = await self.fetch(query, *arguments)
        return rows[0] if rows else None

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        row = await self.fetchrow(query, *arguments)
        return None if row is None else row[0]

    async def execute(self, query: str, *arguments: Any) -> None:
        await self.fetch(query, *arguments)

    async def copy_to_table(self, table: str, *, source: Any, columns: Sequence[str], format: str) -> None:  # noqa: A002
        assert format == "binary"
        await self.ask(f"copy_{table}", read_copy(source.read(), columns))

    def transaction(self) -> _Transaction:
        return _Transaction(self)

    def add_log_listener(self, listener: Callable[..., None]) -> None:
        self.session.listeners.append(listener)

    def is_closed(self) -> bool:
        return not self.session.is_open

    def terminate(self) -> None:
        self._records.cut(self.session)

    async def close(self) -> None:
        self.terminate()


class _Transaction:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def start(self) -> None:
        await self._connection.ask("begin")

    async def commit(self) -> None:
        await self._connection.ask("commit")

    async def rollback(self) -> None:
        await self._connection.ask("rollback")

    async def __aenter__(self) -> None:
        await self.start()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self.commit()
        elif not self._connection.is_closed():
            await self.rollback()


class ConnectionPool:
    """As much of asyncpg's pool; the product bounds it."""

    def __init__(self, records: Records, server_settings: dict[str, str]) -> None:
        self._records = records
        self._settings = server_settings
        self._free: list[Connection] = []

    def acquire(self, *, timeout: float) -> _Lent:
        return _Lent(self, timeout)

    async def take(self, timeout_s: float) -> Connection:
        while self._free:
            connection = self._free.pop()
            if not connection.is_closed():
                return connection
        async with asyncio.timeout(timeout_s):
            return await self._records.connect(server_settings=self._settings)

    def give_back(self, connection: Connection) -> None:
        if connection.session.tx is not None:
            connection.terminate()
        elif not connection.is_closed():
            self._free.append(connection)

    async def expire_connections(self) -> None:
        self._free.clear()

    async def close(self) -> None:
        self._free.clear()

    def terminate(self) -> None:
        self._free.clear()


class _Lent:
    def __init__(self, pool: ConnectionPool, timeout_s: float) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Connection:
        self._connection = await self._pool.take(self._timeout_s)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        self._pool.give_back(self._connection)
