"""The arithmetic of `inkfast bench cost`, and the order in which its crowd saves."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from loadtests.bench.crowd import Crowd
from loadtests.bench.generator import LoadError
from loadtests.bench.plan import EDITS_PER_SAVE, CrowdPlan, Section, Teacher
from ops.bench.command import TwoNumbers
from ops.bench.cost import Compared, bytes_table, cpu_table, growth_of, risen_parts
from ops.bench.cost_side import Load, Turn, on_cpu, on_cpu_between, read_and_written
from ops.bench.stand import BenchError, students_of

if TYPE_CHECKING:
    from collections.abc import Iterator

TEACHERS = 5


def turn(api: float = 0.2, journal: float = 0.1, log: float = 500_000.0) -> Turn:
    cpu = {"API": api, "journal": journal, "flusher": 0.1, "PostgreSQL": 0.1}
    return Turn(cpu, {"PostgreSQL, log": log, "PostgreSQL, tables": 0.0}, 1.0, 2.0, 0.1)


def test_ratios_are_taken_within_a_round_and_their_median_decides() -> None:
    rounds = [(turn(0.2), turn(0.2)), (turn(0.4), turn(0.46)), (turn(0.1), turn(0.3))]
    found = Compared("teachers", "1,000 teachers", "26,000 teachers", rounds)
    assert risen_parts(found) == ["API"], "the sum of all parts has risen by 8 % in the median"
    assert re.search(r"API +200\.0 +300\.0 +1\.150 \(1\.000 – 3\.000\) +<= 1\.1: MISSED", cpu_table(found))
    assert re.search(r"all of it +500\.0 +600\.0 +1\.086 \(1\.000 – 1\.500\) +<= 1\.1: met", cpu_table(found))
    assert "<=" not in cpu_table(Compared("shards", "1 shard", "3 shards", rounds)), "only teachers have a target"


def test_bytes_are_told_in_kilobytes_and_nothing_is_divided_by_nothing() -> None:
    found = Compared("teachers", "few", "many", [(turn(log=500_000), turn(log=550_000))])
    assert re.search(r"PostgreSQL, log +500\.0 +550\.0 +1\.100 \(1\.100 – 1\.100\)", bytes_table(found))
    assert re.search(r"PostgreSQL, tables +0\.0 +0\.0$", bytes_table(found))


def test_a_process_that_came_meanwhile_counts_whole_and_one_that_went_does_not() -> None:
    assert on_cpu_between({1: 2.0, 2: 5.0}, {1: 2.5, 3: 0.25}) == 0.75
    assert on_cpu([2**22 + 1]) == {}, "there is no such process"
    assert on_cpu([os.getpid()])[os.getpid()] > 0


def test_bytes_of_a_process_are_those_that_it_read_and_wrote(tmp_path: Path) -> None:
    before = read_and_written(os.getpid())
    (tmp_path / "file").write_bytes(bytes(1_000_000))
    (tmp_path / "file").read_bytes()
    assert 2_000_000 <= read_and_written(os.getpid()) - before < 2_100_000


@pytest.mark.parametrize(("seconds", "teachers", "columns"), [(1, 1000, 20), (120, 1000, 61), (120, 26_000, 20)])
def test_sections_have_columns_for_every_turn(seconds: float, teachers: int, columns: int) -> None:
    load = Load(2000, seconds, 64, 1000)
    assert load.columns(6, teachers) == columns
    smallest = min(map(students_of, range(1, 100)))
    saves_each = -(-6 * load.saves // teachers) + 1  # and the one before the clock starts
    assert saves_each <= smallest * columns // EDITS_PER_SAVE


def test_too_few_teachers_for_so_many_cells_are_refused() -> None:
    with pytest.raises(BenchError, match="fewer rounds"):
        Load(2000, 120, 64, 1000).columns(6, 100)


def test_what_grows_is_the_only_difference() -> None:
    for what, field in (("teachers", "teachers"), ("processes", "api_processes"), ("shards", "shards")):
        few, many = growth_of(what, (1000, 26_000))
        assert [name for name in few._fields if getattr(few, name) != getattr(many, name)] == ["name", field]


def test_two_numbers_are_read_and_anything_else_is_refused() -> None:
    assert TwoNumbers().convert("1000,26000", None, None) == (1000, 26_000)
    for wrong in ("26000,1000", "1000", "0,5", "a,b"):
        with pytest.raises(click.BadParameter):
            TwoNumbers().convert(wrong, None, None)


class Heard:
    """What servers on loopback were sent; each acknowledges every save."""

    def __init__(self) -> None:
        self.saves: list[tuple[int, int, int]] = []  # port, section, first seq
        self.listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.ports = [listener.getsockname()[1] for listener in self.listeners]
        for listener in self.listeners:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        self._accepted: list[socket.socket] = []

    def hang_up(self) -> None:
        """Close what is open now, as a server does with connections that were idle for long."""
        for accepted in self._accepted:
            accepted.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            self._accepted.append(accepted)
            threading.Thread(target=self._answer, args=(accepted, listener.getsockname()[1]), daemon=True).start()

    def _answer(self, accepted: socket.socket, port: int) -> None:
        outcomes = b",".join([b'{"outcome":"drafted"}'] * EDITS_PER_SAVE)
        with accepted, accepted.makefile("rb") as stream:
            while line := stream.readline():
                section = int(line.split(b"/")[4])
                while (field := stream.readline().strip()) != b"":
                    name, _, value = field.partition(b": ")
                    length = int(value) if name == b"Content-Length" else 0
                body = json.loads(stream.read(length))
                self.saves.append((port, section, body["edits"][0]["seq"]))
                accepted.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(outcomes), outcomes))


@contextmanager
def crowd_of(saves: int) -> Iterator[tuple[Crowd, Heard]]:
    heard = Heard()
    # Three saves each.
    teachers = [Teacher("token", [Section(section, [1, 2, 3], [7, 8, 9])]) for section in range(100, 100 + TEACHERS)]
    plan = CrowdPlan(
        "127.0.0.1", heard.ports[0], 1, teachers, saves=saves, saves_per_s=200, ports=heard.ports, sockets=2
    )
    crowd = Crowd(plan)
    try:
        yield crowd, heard
    finally:
        crowd.close()
        for listener in heard.listeners:
            listener.close()


def test_turns_go_on_where_the_last_one_ended_and_a_teacher_stays_with_her_process() -> None:
    with crowd_of(saves=4) as (crowd, heard):
        crowd.warm_up()
        assert sorted(section for _, section, _ in heard.saves) == [100, 101, 102, 103, 104]
        results = []
        for _ in range(2):
            crowd.make()
            results.append(crowd.measure())
        of_section = {section: [(p, seq) for p, s, seq in heard.saves if s == section] for section in range(100, 105)}
        assert {s: len(saves) for s, saves in of_section.items()} == {100: 3, 101: 3, 102: 3, 103: 2, 104: 2}
        for section, saves in of_section.items():
            port = heard.ports[(section - 100) % 2]
            assert saves == [(port, seq) for seq in (1, 4, 7)[: len(saves)]]
        for result in results:
            assert result.answered == 4
            assert result.elapsed_s >= 3 / 200, "each save waits until it is due"
            answer = len("HTTP/1.1 200 OK\r\ncontent-length: 65\r\n\r\n") + 65
            assert result.received_bytes == 4 * answer
            assert result.sent_bytes > 4 * 500


def test_a_turn_without_cells_left_is_not_counted() -> None:
    with crowd_of(saves=11) as (crowd, _):
        crowd.warm_up()
        crowd.make()
        with pytest.raises(LoadError, match="too few cells"):
            crowd.measure()


def test_the_crowd_says_why_it_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    plan = {"host": "127.0.0.1", "port": port, "seed": 1, "teachers": [], "ports": [port], "sockets": 1}
    done = subprocess.run(
        [sys.executable, "-m", "loadtests.bench.crowd"],
        input=json.dumps(plan) + "\n",
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "refused" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_socket_that_was_closed_for_being_idle_is_opened_again() -> None:
    with crowd_of(saves=4) as (crowd, heard):
        crowd.warm_up()
        heard.hang_up()
        crowd.make()
        assert crowd.measure().answered == 4
