"""The scripts on a real server beside the same in plain Python: every answer, and everything that is kept."""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import redis
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st

from app.drafts import codec
from app.drafts.codec import APPLIED, CELL, NO_ID, NORMAL, PROVISIONAL, QUARANTINE, REJECTED
from app.drafts.keys import EVENTS, STREAM, partition_of, section_key
from app.drafts.topology import ACCEPT, DRAIN, EVICT
from app.model.kinds import Kind
from tests.properties.reference import (
    SECTION,
    Edit,
    Entry,
    Journal,
    Records,
    Reply,
    Save,
    Settlement,
    Standing,
    Unrecorded,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.servers import ValkeyServer

PARTITION = partition_of(SECTION)
KEY = section_key(PARTITION, SECTION)
CLIENTS = ((11, b"a" * 16), (11, b"b" * 16), (12, b"c" * 16))
CELLS = tuple(CELL.pack(Kind.SCORE, item, student) for item in (7, 8) for student in (101, 102))
SOLO = CELL.pack(Kind.COMMENT, 0, 101)  # only ever typed into by the first client, each time on what it typed last
STEPS_MAX = 70
EXAMPLES = 150


@pytest.fixture(scope="module")
def server(valkey: ValkeyServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url) as client:
        for script in (ACCEPT, DRAIN, EVICT):
            client.script_load(script.text.decode())
        yield client


class Real:
    """The scripts on a server, driven and read through app/drafts/codec.py."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        client.delete(STREAM[PARTITION], KEY)

    def accept(self, save: Save, context: codec.Context | None, *, is_away: bool) -> Reply:
        packed = _pack(save)
        if context is not None:
            packed = codec.with_context(packed, context)
        elif is_away:
            packed = codec.with_records_away(packed)
        command = ("EVALSHA", ACCEPT.digest, "2", STREAM[PARTITION], KEY, EVENTS[PARTITION], packed)
        raw = self.client.execute_command(*command)[0]
        return _reply(raw, len(save.edits))

    def drain(self, packed: list[bytes]) -> int:
        keys = [KEY] * len(packed)
        removed: int = self.client.execute_command(
            "EVALSHA", DRAIN.digest, str(len(packed) + 1), STREAM[PARTITION], *keys, EVENTS[PARTITION], *packed
        )
        return removed

    def evict(self, *, keep_positions: bool) -> None:
        self.client.execute_command("EVALSHA", EVICT.digest, "1", KEY, b"1" if keep_positions else b"0")

    def stream_entries(self) -> list[codec.Entry]:
        return [codec.unpack_entry(i, fields[b"d"]) for i, fields in self.client.xrange(STREAM[PARTITION])]

    def journal(self) -> Journal:
        """Everything that is kept, as the reference keeps it."""
        found = Journal()
        for name, raw in self.client.hgetall(KEY).items():
            letter, rest = name[:1], name[1:]
            if letter == b"h":
                found.heads[rest] = _standing(raw)
            elif letter == b"m":
                found.columns.add(rest)
            elif letter == b"a":
                found.recorded_columns = frozenset(raw[i : i + 5] for i in range(0, len(raw), 5))
            elif letter == b"u":
                found.unrecorded[rest] = _unrecorded(raw)
            elif letter == b"c":
                _, drafted, recorded = codec.POSITION.unpack(raw)
                found.positions[_client(rest)] = drafted, recorded
            elif letter == b"x":
                _add_exceptions(found, _client(rest), _exceptions(raw))
            else:
                raise AssertionError(name)
        for stream_id, fields in self.client.xrange(STREAM[PARTITION]):
            entry = codec.unpack_entry(stream_id, fields[b"d"])
            edits = tuple(
                (
                    e.accepted,
                    e.cell_version,
                    Edit(e.status_in, e.seq, e.cell, e.edit_id, e.base, e.entered_ms, e.value, e.extra),
                )
                for e in entry.edits
            )
            found.stream.append(Entry(*_client(entry.client), entry.recorded_seq, edits))
        return found


def _pack(save: Save) -> bytes:
    blobs = [
        codec.pack_edit(e.status, e.seq, e.cell, e.edit_id, e.base, e.entered_ms, e.value, e.extra) for e in save.edits
    ]
    client = codec.pack_client(save.user_id, save.client_id)
    return codec.pack_save(client, SECTION, save.first_seq, save.seen_seq, 0, 1_000, 0, blobs)


def _reply(raw: bytes, count: int) -> Reply:
    if raw[:1] == b"N":
        return Reply("N", wanted=frozenset(codec.unpack_wanted(raw)))
    if raw[:1] == b"G":
        return Reply("G", expected_seq=int.from_bytes(raw[1:], "big"))
    reply = codec.unpack_reply(raw, count)
    results: list[tuple[str, int, Any]] = []
    for letter, version, extra in reply.results:
        shown: Any = None
        if letter == ord("c"):
            shown = codec.unpack_head(extra) if extra else None
        elif letter == ord("r"):
            shown = extra
        results.append((chr(letter), version, shown))
    return Reply("O", 0, reply.drafted_seq, reply.recorded_seq, tuple(results), tuple(_exceptions(reply.exceptions)))


def _standing(raw: bytes) -> Standing:
    head = codec.unpack_head(raw)
    root, version = (raw[34:50], int.from_bytes(raw[50:54], "big")) if raw[1] & 4 else (NO_ID, 0)
    return Standing(*head[:5], head.is_drafted, head.is_provisional, root, version)


def _unrecorded(raw: bytes) -> Unrecorded:
    if raw[:1] == b"A":
        return Unrecorded(raw[0], int.from_bytes(raw[1:], "big"))
    return Unrecorded(raw[0], 0, int.from_bytes(raw[1:5], "big"), raw[5:21], raw[21:])


def _client(raw: bytes) -> tuple[int, bytes]:
    user, client = codec.CLIENT.unpack(raw)
    return user, client


def _exceptions(raw: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(raw):
        seq, length = struct.unpack_from(">II", raw, at)
        found.append((seq, raw[at + 8 : at + 8 + length]))
        at += 8 + length
    return found


def _add_exceptions(journal: Journal, client: tuple[int, bytes], found: list[tuple[int, bytes]]) -> None:
    if found[0] == (0, b""):
        journal.unasked.add(client)
        del found[0]
    if found:
        journal.exceptions[client] = found


def _is_as_journaled(entry: Entry, settlement: Settlement) -> bool:
    """Tell whether every edit became what the journal said, with nothing to heal: the drain then needs no verdicts."""
    return all(
        (v.accepted, v.verdict, v.cell_version, v.head) == (APPLIED, APPLIED, version, None)
        for v, (_, version, _) in zip(settlement.verdicts, entry.edits, strict=True)
    )


class Pair:
    """Both journals before the same records, and a district that types at random."""

    def __init__(self, client: redis.Redis, rng: random.Random) -> None:
        self.real = Real(client)
        self.twin = Journal()
        self.records = Records()
        self.rng = rng
        self.is_away = False
        self.sent: dict[tuple[int, bytes], list[Edit]] = {c: [] for c in CLIENTS}
        self.seen = dict.fromkeys(CLIENTS, 0)
        self.has_lost = self.is_lost_while_away = False

    def step(self) -> None:
        actions = {
            self.save: 9,
            self.resend: 3,
            self.reopen: 1,
            self.poll: 1,
            self.gap: 1,
            self.flush: 4,
            self.evict: 1,
            self.toggle_records: 1,
            self.lose: 0.2,
        }
        self.rng.choices(list(actions), list(actions.values()))[0]()
        assert self.real.journal() == self.twin

    def save(self) -> None:
        client = self.rng.choice(CLIENTS)
        edits = []
        for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
            edits.append(self._edit(client))
            self.sent[client].append(edits[-1])
        first = edits[0].seq
        if self.rng.random() < 0.2:  # begins with edits whose answer was lost
            earlier = self.sent[client][-len(edits) - self.rng.randint(0, 3) :]
            edits, first = earlier, earlier[0].seq
        self._send(client, tuple(edits), first)

    def _edit(self, client: tuple[int, bytes]) -> Edit:
        rng = self.rng
        cell = rng.choice([*CELLS, SOLO] if client == CLIENTS[0] else CELLS)
        seq = self.sent[client][-1].seq + 1 if self.sent[client] else 1
        known = [e for c, sent in self.sent.items() if c[0] == client[0] for e in sent if e.cell == cell != SOLO]
        if known and rng.random() < 0.04:
            return replace(rng.choice(known), seq=seq)
        edit_id = (sum(map(len, self.sent.values())) + 1).to_bytes(16, "big")
        status = rng.choices((NORMAL, REJECTED, QUARANTINE), (14, 3, 0 if cell == SOLO else 1))[0]
        extra = codec.pack_extra((), b'{"code":"x"}') if status == REJECTED else b""
        value = b'{"score":"%d"}' % rng.randint(0, 99)
        return Edit(status, seq, cell, edit_id, self._base(client, cell), rng.randint(0, 2**40), value, extra)

    def _base(self, client: tuple[int, bytes], cell: bytes) -> bytes:
        own = [e.edit_id for e in self.sent[client] if e.cell == cell]
        if cell == SOLO:
            return own[-1] if own else NO_ID
        head = self.twin.heads.get(cell)
        recorded = self.records.heads.get(cell)
        anyone = [e.edit_id for sent in self.sent.values() for e in sent if e.cell == cell]
        choices = [
            (head.edit_id if head else NO_ID, 6),  # what a fresh screen shows
            (own[-1] if own else NO_ID, 6),  # typing on, whatever became of the last one
            (recorded.edit_id if recorded else NO_ID, 2),
            (self.rng.choice(anyone) if anyone else NO_ID, 2),
            (NO_ID, 1),
            (b"?" * 16, 0.3),
        ]
        return self.rng.choices([c[0] for c in choices], [c[1] for c in choices])[0]

    def resend(self) -> None:
        client = self.rng.choice(CLIENTS)
        if self.sent[client]:
            at = self.rng.randrange(len(self.sent[client]))
            edits = self.sent[client][at : at + self.rng.randint(1, 4)]
            self._send(client, tuple(edits), edits[0].seq)

    def reopen(self) -> None:
        """An outbox that was opened anew brings edits again, under another client and other numbers."""
        source, client = self.rng.sample(CLIENTS, 2)
        old = [e for e in self.sent[source] if e.cell != SOLO and self.rng.random() < 0.5][-3:]
        if not old or source[0] != client[0]:
            return
        seq = self.sent[client][-1].seq if self.sent[client] else 0
        edits = [replace(edit, seq=seq + i) for i, edit in enumerate(old, 1)]
        self.sent[client] += edits
        self._send(client, tuple(edits), seq + 1)

    def poll(self) -> None:
        client = self.rng.choice(CLIENTS)
        self.seen[client] = max((seq for seq, _ in self.twin.exceptions.get(client, [])), default=self.seen[client])
        self._send(client, (), 0)

    def gap(self) -> None:
        client = self.rng.choice(CLIENTS)
        seq = self.sent[client][-1].seq + 2 if self.sent[client] else 2
        edit = Edit(NORMAL, seq, CELLS[0], b"gap" + seq.to_bytes(13, "big"), NO_ID, 0, b"{}")
        if client in self.twin.positions or not self.is_away:  # while PostgreSQL is away an unknown client is trusted
            assert self._send(client, (edit,), seq).letter == "G"

    def _send(self, client: tuple[int, bytes], edits: tuple[Edit, ...], first: int) -> Reply:
        save = Save(*client, first, self.seen[client], edits)
        reply = self._both(save, None, is_away=False)
        if reply.letter == "N":
            event("asked PostgreSQL" if not self.is_away else "PostgreSQL away")
            context = None if self.is_away else self.records.context(save, reply.wanted)
            if context is not None and self.twin.stream and self.rng.random() < 0.2:
                event("recorded while PostgreSQL was asked")
                self._flush(self.rng.randint(1, 4), may_die=False)
                assert self.real.journal() == self.twin
            reply = self._both(save, context, is_away=self.is_away)
            assert reply.letter != "N"
        if reply.letter == "G":
            event("gap")
            missed = self.sent[client][reply.expected_seq - 1 :]
            if missed and reply.expected_seq < first:  # a journal was lost: the client sends again from there
                assert self._send(client, tuple(missed[:200]), reply.expected_seq).letter == "O"
        for (letter, _, _), edit in zip(reply.results, edits, strict=reply.letter == "O"):
            event(f"outcome {letter}")
            assert letter != "c" or edit.cell != SOLO or self.is_lost_while_away
            judged = self.records.log.get(edit.edit_id)
            assert letter != "c" or judged is None or judged.status != "A", "a conflict with itself"
        return reply

    def _both(self, save: Save, context: codec.Context | None, *, is_away: bool) -> Reply:
        real = self.real.accept(save, context, is_away=is_away)
        twin = self.twin.accept(save, context, is_away=is_away)
        assert real == twin
        return real

    def flush(self) -> None:
        """Record some of the oldest entries; sometimes die before they are drained."""
        if self.is_away or not self.twin.stream:
            return
        self._flush(self.rng.randint(1, 4), may_die=True)

    def _flush(self, count: int, *, may_die: bool) -> None:
        entries = self.twin.stream[:count]
        journaled = self.real.stream_entries()[: len(entries)]
        settlements = self.records.record(entries)
        if any(accepted == PROVISIONAL for entry in entries for accepted, _, _ in entry.edits):
            event("provisional edits flushed")
        if may_die and self.rng.random() < 0.15:
            event("died before the drain")
            return
        packed = []
        for real, entry, settlement in zip(journaled, entries, settlements, strict=True):
            is_as_journaled = _is_as_journaled(entry, settlement)
            if is_as_journaled:
                event("recorded as journaled")
            packed.append(
                codec.pack_drain(
                    real.stream_id,
                    entry.edits[0][2].edit_id,
                    real.header,
                    settlement.recorded_seq,
                    b"".join(codec.pack_exception(seq, body) for seq, body in settlement.exceptions),
                    () if is_as_journaled else settlement.verdicts,
                    has_hole=settlement.has_hole,
                    as_journaled=is_as_journaled,
                )
            )
        assert self.real.drain(packed) == len(entries)
        for entry, settlement in zip(entries, settlements, strict=True):
            self.twin.drain(entry, settlement)
        assert self.real.drain(packed) == 0  # compare-and-delete: a late second drain changes nothing

    def evict(self) -> None:
        keep_positions = self.rng.random() < 0.3
        self.real.evict(keep_positions=keep_positions)
        self.twin.evict(keep_positions=keep_positions)

    def toggle_records(self) -> None:
        self.is_away = not self.is_away
        # A client is trusted then, and may type on before what was lost has come again: that is a second fault.
        self.is_lost_while_away |= self.is_away and self.has_lost

    def finish(self) -> None:
        """PostgreSQL comes back, and all is recorded: the journal then holds copies of records, and nothing else."""
        self.is_away = False
        while self.twin.stream:
            self._flush(3, may_die=False)
        found = self.real.journal()
        assert found == self.twin
        assert not found.unrecorded
        assert {cell: head.head() for cell, head in found.heads.items()}.items() <= self.records.heads.items()
        applied: dict[bytes, list[bytes]] = {}
        for edit_id, status, edit, _ in self.records.history:
            assert status != "C" or edit.cell != SOLO or self.is_lost_while_away
            if status == "A":
                applied.setdefault(edit.cell, []).append(edit_id)
        assert {cell: ids[-1] for cell, ids in applied.items()} == {c: h.edit_id for c, h in self.records.heads.items()}
        assert {c: len(ids) for c, ids in applied.items()} == {c: h.cell_version for c, h in self.records.heads.items()}

    def lose(self) -> None:
        """The journal's disk is lost."""
        self.is_lost_while_away |= self.is_away
        self.has_lost = True
        self.real = Real(self.real.client)
        self.twin = Journal()


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**64 - 1), steps=st.integers(STEPS_MAX // 4, STEPS_MAX))
def test_the_scripts_and_their_twin_agree(server: redis.Redis, seed: int, steps: int) -> None:
    # A seed, not Hypothesis's own choices: those favour the first of every list, and conflicts hardly occur. The steps
    # of a failure still shrink, since fewer steps of a seed are its beginning.
    note(f"seed {seed}, {steps} steps")
    pair = Pair(server, random.Random(seed))
    for _ in range(steps):
        pair.step()
    pair.finish()
