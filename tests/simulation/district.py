"""A district in one thread: two API processes, two flushers and both stores, the product's own code on virtual time."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from app.drafts.codec import CELL, unpack_head
from app.drafts.committer import Committer
from app.drafts.keys import partition_of, section_key
from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.errors import InkfastError
from app.gradebook.edit_cells import EditCells
from app.gradebook.rules import RulesCache
from app.gradebook.write_directly import WriteDirectly
from app.model.kinds import Kind
from app.records.pool import create_pool
from app.settings import Settings
from tests.simulation.book import Book
from tests.simulation.clock import Loop, Process, current
from tests.simulation.journal import Journal, Patches
from tests.simulation.network import Network
from tests.simulation.records import Records
from workers.flusher import Flusher

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.model.grants import Grant
    from tests.simulation.tables import Transaction

PARTITIONS = 3  # of 64: what is idle would only be polled
SETTINGS = Settings(
    database_url="postgresql://records/inkfast",
    redis_url="redis://journal:6379",
    secret_key="s" * 32,
    lease_ms=2_000,
    commit_wait_ms_max=2_000,
    database_acquire_ms_max=1_000,
    database_statement_ms_max=2_000,
    flush_linger_ms=100,
)
# The first section numbers whose partitions are 0, 1 and 2.
SECTIONS = tuple(next(s for s in range(4001, 9000) if partition_of(s) == p) for p in range(PARTITIONS))
CLIENT_S_MAX = 4.0


class Answer(NamedTuple):
    """Status 0: no answer."""

    status: int
    body: dict[str, Any]
    retry_after_s: float = 0.0


class Service:
    """A program that can be killed, and started again as another process."""

    def __init__(self, district: District, name: str) -> None:
        self.district = district
        self.name = name
        self.lives = 0
        self.start()

    def start(self) -> None:
        self.lives += 1
        self.process = Process(self.district.loop, f"{self.name}.{self.lives}")
        self.process.spawn(self._run())

    async def _run(self) -> None:
        raise NotImplementedError

    def kill(self) -> None:
        self.process.kill()
        self.district.forget(self.process)


class Api(Service):
    """One API process: what stands behind POST …/edits."""

    def __init__(self, district: District, name: str) -> None:
        self._requests: dict[int, tuple[Process, asyncio.Future[Answer]]] = {}
        self._handling: dict[int, asyncio.Task[Any]] = {}
        self._number = 0
        self.edit_cells: EditCells | None = None
        self.has_forgotten = False  # what it had written past the journal
        super().__init__(district, name)

    async def _run(self) -> None:
        loop = self.district.loop
        topology = Topology(SETTINGS.redis_url)
        pool = await create_pool(SETTINGS)
        self.store = DraftStore(topology)
        committer = Committer(
            topology,
            queue_edits_max=SETTINGS.commit_queue_edits_max,
            wait_ms_max=SETTINGS.commit_wait_ms_max,
            silence_ms_max=SETTINGS.journal_silence_ms_max,
        )
        rules = RulesCache(SETTINGS, pool, self.store, clock=loop.time)
        directly = WriteDirectly(SETTINGS, self.store)
        self.edit_cells = EditCells(
            SETTINGS, pool, committer, rules, directly, wall_ms=lambda: int(current().wall_s() * 1000)
        )

    async def post(self, grant: Grant, section_id: int, body: bytes) -> Answer:
        """Send a save from the process that asks; status 0 where no answer comes."""
        network, client = self.district.network, current()
        future: asyncio.Future[Answer] = self.district.loop.create_future()
        self._number += 1
        number = self._number
        fate = network.fate()
        if fate == "lost before" or self.process.is_dead:
            await asyncio.sleep(network.delay_s())
            return Answer(0, {})
        self._requests[number] = client, future
        at_s = self.district.loop.time() + network.delay_s()
        self.process.call_at(at_s, self._begin, number, grant, section_id, body, fate)
        try:
            async with asyncio.timeout(CLIENT_S_MAX):
                return await future
        except TimeoutError:
            task = self._handling.get(number)
            if task is not None and self.district.rng.random() < 0.5:
                self.process.call_at(self.district.loop.time(), task.cancel)
            return Answer(0, {})
        finally:
            self._requests.pop(number, None)

    def _begin(self, number: int, grant: Grant, section_id: int, body: bytes, fate: str) -> None:
        self._handling[number] = self.process.spawn(self._handle(number, grant, section_id, body, fate))

    async def _handle(self, number: int, grant: Grant, section_id: int, body: bytes, fate: str) -> None:
        try:
            answer = await self._judge(grant, section_id, body)
        finally:
            self._handling.pop(number, None)
        waiting = self._requests.get(number)
        if waiting is not None and fate == "":
            client, future = waiting
            client.call_at(self.district.loop.time() + self.district.network.delay_s(), _settle, future, answer)

    async def _judge(self, grant: Grant, section_id: int, body: bytes) -> Answer:
        if self.edit_cells is None:
            return Answer(503, {"code": "starting"}, 0.2)
        try:
            raw = await self.edit_cells.save(grant, section_id, body)
        except InkfastError as error:
            self.district.note(self.process.name, "refuses", error.code, error.params)
            if error.status == 500:
                self.district.violated("no unexpected errors", f"a save failed: {error!r}")
            return Answer(error.status, {"code": error.code, "params": error.params}, error.retry_after_s or 1)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is found
            self.district.violated("no unexpected errors", f"a save failed: {error!r}")
            return Answer(500, {"code": "internal_error", "params": {}}, 1)
        answer = json.loads(raw)
        self.district.check_answer(grant.user_id, section_id, json.loads(body), answer)
        return Answer(200, answer)

    def kill(self) -> None:
        super().kill()
        self.has_forgotten |= bool(self.sections_written_directly())
        self.edit_cells = None
        requests, self._requests, self._handling = self._requests, {}, {}
        for client, future in requests.values():
            client.call_at(self.district.loop.time() + self.district.network.delay_s(), _settle, future, Answer(0, {}))

    def sections_written_directly(self) -> set[int]:
        """Of which this process knows that the journal's heads are old."""
        return set() if self.edit_cells is None else self.edit_cells._directly.written

    def evict(self, section_id: int) -> None:
        """What the housekeeping does when the journal fills."""
        self.process.spawn(self._evict(section_id))

    async def _evict(self, section_id: int) -> None:
        if self.edit_cells is None:
            return
        with suppress(InkfastError):
            await self.store.evict(partition_of(section_id), [section_id])


class FlusherService(Service):
    """One flusher process."""

    flusher: Flusher | None = None

    async def _run(self) -> None:
        topology = Topology(SETTINGS.redis_url)
        self.flusher = Flusher(SETTINGS, DraftStore(topology))
        self.stop = asyncio.Event()
        try:
            await self.flusher.run(self.stop)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is found
            self.district.violated("no unexpected errors", f"a flusher ended: {error!r}")


class District:
    """Everything, and what is wrong with it."""

    def __init__(self, seed: int, patches: Patches = ()) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.loop = Loop(random.Random(self.rng.random()))
        self.network = Network(self.loop, random.Random(self.rng.random()))
        self.trace: list[str] = []
        self.violations: list[tuple[str, str]] = []
        self.book = Book(self.loop.time)
        self.journal = Journal(self.loop, random.Random(self.rng.random()), self.network, patches)
        self.records = Records(self.loop, random.Random(self.rng.random()), self.network, SECTIONS)
        self.records.before_commit = self.check_commit
        self.lost_under_drain = False
        self.has_saved_without_records = False  # PostgreSQL was away for a save, or taken for it
        self.at_next_flush: Callable[[object], None] | None = None  # with the flusher's owner
        self.apis: list[Api] = []
        self.flushers: list[FlusherService] = []

        self.network_process = Process(self.loop, "the world")
        self.sections: list[int] = []

    def begin(self, sections: list[int]) -> None:
        self.sections = sections
        self.apis = [Api(self, f"api{i}") for i in (1, 2)]
        self.flushers = [FlusherService(self, f"flusher{i}") for i in (1, 2)]

    def note(self, *what: object) -> None:
        self.trace.append(f"{self.loop.time():9.4f} " + " ".join(map(str, what)))

    def violated(self, invariant: str, what: str) -> None:
        self.note("VIOLATION", invariant, what)
        self.violations.append((invariant, what))

    def forget(self, process: Process) -> None:
        """A process is dead: its connections are closed by its machine."""
        self.journal.cut_all_of(process)
        at_s = self.loop.time() + self.network.delay_s()
        self.records.process.call_at(at_s, self.records.cut_all_of, process)

    def services(self) -> list[Service]:
        return [*self.apis, *self.flushers]

    def is_at_rest(self) -> bool:
        """Whether the journal holds nothing that is not recorded."""
        data = self.journal.data
        return not any(data.streams.values()) and not any(
            field[:1] == b"u" for fields in data.hashes.values() for field in fields
        )

    def may_be_stale(self, section_id: int) -> bool:
        """Whether an old head of the journal is known to be one, or its finding out was interrupted."""
        if self.journal.has_evicted or any(api.has_forgotten for api in self.apis):
            return True
        return any(section_id in api.sections_written_directly() for api in self.apis)

    # What is checked at each answer, before anybody has heard it

    def check_answer(self, user_id: int, section_id: int, body: dict[str, Any], answer: dict[str, Any]) -> None:
        said = [outcome["outcome"] for outcome in answer["outcomes"]]
        told = [(x["seq"], x["outcome"]) for x in answer["exceptions"]]
        self.note(
            *(current().name, "answers", section_id, body["client_id"][-4:], [e["seq"] for e in body["edits"]], said),
            *(answer["drafted_seq"], answer["recorded_seq"], told or ""),
        )
        self.book.answered_by_server(answer)
        for outcome in answer["outcomes"]:
            self._check_outcome(section_id, bytes.fromhex(outcome["edit_id"].replace("-", "")), outcome["outcome"])
        for seq in range(1, answer["recorded_seq"] + 1):
            edit_id = self.book.numbered.get((body["client_id"], seq))
            if edit_id is not None and not self._is_settled(section_id, edit_id):
                self.violated("positions cover only what is stored", f"{user_id} seq {seq} of {answer['recorded_seq']}")

    def check_commit(self, tx: Transaction) -> None:
        """Who may write, and whether each client's edits come in order; a journal that was lost leaves holes."""
        for owner, partition, epoch in tx.leases:
            row = tx.get("flush_partition", partition)
            if (row["owner"], row["epoch"]) != (owner, epoch):
                self.violated("only the holder of a lease commits", f"partition {partition}")
        if self.at_next_flush is not None and tx.leases and tx.written["edit_log"]:
            self.at_next_flush(tx.leases[0][0])
        for (section_id, _, client_id), moved in tx.written["client_position"].items():
            recorded_seq, ahead = moved
            if ahead and not self.journal.has_lost:
                self._check_holes(tx, section_id, str(uuid.UUID(bytes=client_id)), recorded_seq, ahead)

    def _check_holes(self, tx: Transaction, section_id: int, client: str, recorded_seq: int, ahead: list[int]) -> None:
        for seq in set(range(recorded_seq + 1, max(ahead))) - set(ahead):
            edit_id = self.book.numbered.get((client, seq))
            if edit_id is not None and tx.get("edit_log", (2026, section_id, edit_id)) is None:
                self.violated("edits of a client are recorded in order", f"{client[-4:]} {seq} before {ahead}")

    def _check_outcome(self, section_id: int, edit_id: bytes, outcome: str) -> None:
        row = self.records.tables.rows["edit_log"].get((2026, section_id, edit_id))
        if outcome == "recorded":
            if row is None or row["status"] != "A":
                self.violated("recorded means committed", edit_id.hex())
        elif row is None and edit_id not in self.journal.ever_durable and not self._is_set_aside(edit_id):
            self.violated("an answer means durable", f"{outcome} {edit_id.hex()}")

    def _is_set_aside(self, edit_id: bytes) -> bool:
        return any(row["edit_id"] == edit_id for row in self.records.tables.rows["edit_quarantine"].values())

    def _is_settled(self, section_id: int, edit_id: bytes) -> bool:
        row = self.records.tables.rows["edit_log"].get((2026, section_id, edit_id))
        return (row is not None and row["status"] != "P") or self._is_set_aside(edit_id)

    def shown(self, section_id: int, item: int, student: int) -> str | None:
        """What a reader would be shown to stand in a cell: a drafted head, else the recorded one."""
        cell = CELL.pack(Kind.SCORE, item, student)
        key = section_key(partition_of(section_id), section_id)
        raw = self.journal.durable.hashes.get(key, {}).get(b"h" + cell) if self.journal.is_up else None
        row = self.records.tables.rows["cell"].get((section_id, int(Kind.SCORE), item, student))
        head = unpack_head(raw) if raw is not None else None
        if head is not None and head.is_provisional and self._is_settled(section_id, head.edit_id):
            head = None  # as app/gradebook/read_section.py: what PostgreSQL shows is as new, or newer
        if head is not None and (row is None or head.is_provisional or head.cell_version > row["cell_version"]):
            return str(uuid.UUID(bytes=head.edit_id))
        return str(uuid.UUID(bytes=row["edit_id"])) if row else None


def _settle(future: asyncio.Future[Answer], answer: Answer) -> None:
    if not future.done():
        future.set_result(answer)
