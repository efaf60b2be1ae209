"""What the generator is told, and what it answers: one line of JSON each way."""

from __future__ import annotations

import msgspec
from msgspec import Struct


class Section(Struct):
    """A section to type into: its cells are `students` × `items`, column by column."""

    section_id: int
    students: list[int]
    items: list[int]


class Teacher(Struct):
    """One connection: a teacher with a grant, saving into one section after another."""

    token: str
    sections: list[Section]


class Plan(Struct):
    """One run of load. It ends after `seconds`, after `saves` answers in all, or when every cell has been typed."""

    host: str
    port: int
    seed: int
    teachers: list[Teacher]
    warm_up_saves: int = 1  # in each section, before the clock starts: the first one loads the section's context
    seconds: float | None = None
    saves: int | None = None
    saves_per_client: int | None = None  # then the teacher opens the section anew, as a new client
    saves_per_s: float | None = None  # at this pace, as long as a connection is free; None: as fast as answers come


class CrowdPlan(Plan, kw_only=True):
    """Turns of load by many teachers with a section each, who share few sockets; `saves` and `saves_per_s` of a turn.

    A teacher's saves all go over the same socket, and a socket to the same one of `ports`: in life a browser's
    connection stays with one process too.
    """

    ports: list[int]
    sockets: int


class Result(Struct):
    """What one run of load saw. `answered` within the time counts; `late` were in flight when it ended."""

    answered: int
    late: int
    elapsed_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_s: float

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answered / self.elapsed_s

    @property
    def cpu_share(self) -> float:
        """How much of one core the generator itself used."""
        return self.cpu_s / self.elapsed_s


class CrowdResult(Result, kw_only=True):
    """What one turn saw; times are counted from when a save was due. Bytes as they went over the sockets."""

    sent_bytes: int
    received_bytes: int


class Recorded(Struct):
    """Rows that were committed, by the flusher or by a bare COPY, and what that took the process that did it."""

    rows: int
    elapsed_s: float
    cpu_s: float


EDITS_PER_SAVE = 3
READY, GO = b"ready\n", b"go\n"

encode = msgspec.json.Encoder().encode
decode_plan = msgspec.json.Decoder(Plan).decode
decode_crowd = msgspec.json.Decoder(CrowdPlan).decode
decode_crowd_result = msgspec.json.Decoder(CrowdResult).decode
decode_result = msgspec.json.Decoder(Result).decode
decode_recorded = msgspec.json.Decoder(Recorded).decode
