"""A small school for tests, and the save path of one process over real stores."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import json
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg

from app.drafts.committer import Committer
from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.gradebook.edit_cells import EditCells
from app.gradebook.rules import RulesCache
from app.gradebook.write_directly import WriteDirectly
from app.model.grants import Grant
from app.records.pool import create_pool
from workers.flusher import Flusher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.model.edits import SaveAnswer
    from app.records.pool import Pool
    from app.settings import Settings

TEACHER, CO_TEACHER, STRANGER = 11, 12, 13
STUDENTS = (101, 102, 103, 104, 105)
SECTION, OTHER_SECTION = 4001, 4002
QUIZ, ESSAY = 7001, 7002
_ids = itertools.count(1)


async def make_school(database_url: str, *, school_year: int = 2026, own_partition: bool = True) -> None:
    """Two sections, two teachers in the first, five students, two columns (0-20 and 0-100)."""
    connection = await asyncpg.connect(database_url)
    try:
        if own_partition:
            await connection.execute("SELECT ensure_school_year($1)", school_year)
        await connection.execute(
            f"""
            INSERT INTO org (org_id, sourced_id, name, type) VALUES (1, 'o1', 'North School', 'school');
            INSERT INTO course (course_id, sourced_id, title, org_id) VALUES (1, 'c1', 'Algebra', 1);
            INSERT INTO section (section_id, sourced_id, title, course_id, org_id, school_year) VALUES
              ({SECTION}, 's1', 'Algebra 1A', 1, 1, {school_year}),
              ({OTHER_SECTION}, 's2', 'Algebra 1B', 1, 1, {school_year});
            INSERT INTO user_account (user_id, sourced_id, username, given_name, family_name)
              SELECT u, 'u' || u, 'user' || u, 'Given' || u, 'Family' || u
              FROM unnest(ARRAY[11, 12, 13, 101, 102, 103, 104, 105]) u;
            INSERT INTO enrollment (section_id, sourced_id, user_id, role) VALUES
              ({SECTION}, 'e1', 11, 'teacher'), ({SECTION}, 'e2', 12, 'teacher'),
              ({OTHER_SECTION}, 'e3', 11, 'teacher');
            INSERT INTO enrollment (section_id, sourced_id, user_id, role)
              SELECT s, 'e' || s || '-' || u, u, 'student' FROM unnest(ARRAY[{SECTION}, {OTHER_SECTION}]) s,
                unnest(ARRAY[101, 102, 103, 104, 105]) u;
            INSERT INTO line_item (section_id, line_item_id, title, result_value_max) VALUES
              ({SECTION}, {QUIZ}, 'Quiz', 20), ({SECTION}, {ESSAY}, 'Essay', 100), ({OTHER_SECTION}, 7101, 'Quiz', 20);
            SELECT setval('line_item_id_seq', 10000);
            """
        )
    finally:
        await connection.close()


def grant(user_id: int = TEACHER, *sections: int) -> Grant:
    """A grant as sign-in would mint it."""
    ids = frozenset(sections or (SECTION,))
    return Grant(f"g{user_id}", user_id, None, ("teacher",), (1,), ids, 0, 2**40, f"User {user_id}")


@dataclass
class Process:
    """The save path of one API process."""

    edit_cells: EditCells
    rules: RulesCache
    pool: Pool
    topology: Topology
    store: DraftStore


@asynccontextmanager
async def api_process(settings: Settings) -> AsyncIterator[Process]:
    """Open the save path as app.main does."""
    topology = Topology(settings.redis_url)
    await topology.learn()
    pool = await create_pool(settings)
    store = DraftStore(topology)
    committer = Committer(
        topology,
        queue_edits_max=settings.commit_queue_edits_max,
        wait_ms_max=settings.commit_wait_ms_max,
        silence_ms_max=settings.journal_silence_ms_max,
    )
    rules = RulesCache(settings, pool, store)
    directly = WriteDirectly(settings, store)
    edit_cells = EditCells(settings, pool, committer, rules, directly)
    try:
        yield Process(edit_cells, rules, pool, topology, store)
    finally:
        await edit_cells.close()
        await directly.close()
        await committer.close()
        await pool.close()
        topology.close()


@asynccontextmanager
async def running_flusher(settings: Settings) -> AsyncIterator[Flusher]:
    """A flusher in this process, stopped gracefully."""
    topology = Topology(settings.redis_url)
    await topology.learn()
    flusher = Flusher(settings, DraftStore(topology))
    stop = asyncio.Event()
    task = asyncio.create_task(flusher.run(stop))
    try:
        yield flusher
    finally:
        stop.set()
        await task
        topology.close()


async def flush_all(settings: Settings) -> None:
    """Record everything that is in the journal, with a flusher of its own."""
    async with running_flusher(settings) as flusher:
        await until_recorded(settings, flusher)


async def until_recorded(settings: Settings, flusher: Flusher | None = None, seconds: float = 60) -> None:
    """Wait until the journal holds nothing un-recorded."""
    topology = Topology(settings.redis_url)
    await topology.learn()
    store = DraftStore(topology)
    try:
        async with asyncio.timeout(seconds):
            while (await store.backlog())[0]:
                await asyncio.sleep(0.01)
    finally:
        topology.close()
    del flusher


@dataclass
class Tab:
    """One opening of an outbox: numbers its edits, and remembers what it saw in each cell.

    Without a process it only writes bodies, for who sends them over HTTP.
    """

    process: Process | None = None
    user_id: int = TEACHER
    section_id: int = SECTION
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    seq: int = 0
    seen: dict[tuple[str, int, int], str] = field(default_factory=dict)
    exceptions_seen_seq: int = 0

    def edit(self, student: int, score: str, item: int = QUIZ, **over: Any) -> dict[str, Any]:
        """The next edit of this tab; `over` replaces fields."""
        self.seq += 1
        cell = (over.get("kind", "score"), item, student)
        edit = {
            "edit_id": str(uuid.uuid4()),
            "seq": self.seq,
            "kind": "score",
            "item": item,
            "student": student,
            "base": self.seen.get(cell),
            "value": {"score": score},
            "entered_at": dt.datetime.now(dt.UTC).isoformat(),
        } | over
        self.seen[cell] = edit["edit_id"]
        return edit

    def body(self, *edits: dict[str, Any]) -> bytes:
        """A save's body."""
        return json.dumps(
            {
                "client_id": self.client_id,
                "sent_at": dt.datetime.now(dt.UTC).isoformat(),
                "exceptions_seen_seq": self.exceptions_seen_seq,
                "edits": list(edits),
            }
        ).encode()

    async def save(self, *edits: dict[str, Any], process: Process | None = None) -> dict[str, Any]:
        """Send edits; return the answer as JSON gives it."""
        at = process or self.process
        assert at is not None, "it only writes bodies"
        raw = await at.edit_cells.save(grant(self.user_id, self.section_id), self.section_id, self.body(*edits))
        answer: dict[str, Any] = json.loads(raw)
        return answer


def outcomes(answer: dict[str, Any] | SaveAnswer) -> list[str]:
    """Just the words."""
    assert isinstance(answer, dict)
    return [o["outcome"] for o in answer["outcomes"]]


async def fetch(settings: Settings, query: str, *args: Any) -> list[asyncpg.Record]:
    """Ask PostgreSQL directly."""
    connection = await asyncpg.connect(settings.database_url)
    try:
        return await connection.fetch(query, *args)
    finally:
        await connection.close()
