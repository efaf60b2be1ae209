"""Who is in a section: what processes say to one another, and what is never said."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from app.drafts.keys import PARTITIONS, partition_of
from app.drafts.presence import ANNOUNCE_S, BYE, FORGET_S, HELLO, HERE, OTHERS_MAX, PresenceBoard, Present

if TYPE_CHECKING:
    from collections.abc import Iterator

SECTION = 4001
ANN, BEN, CLO = 11, 12, 13
NAMES = {ANN: "Ann Lee", BEN: "Ben Ruiz", CLO: "Clo Ng"}


class Ear:
    """A listener: the last that it was told, and how often."""

    def __init__(self) -> None:
        self.times = 0
        self.users: set[int] = set()

    def put(self, event: Any) -> None:
        assert isinstance(event, Present)
        assert dict(event.users) == {user: NAMES.get(user, "x") for user in dict(event.users)}
        self.times += 1
        self.users = {user for user, _ in event.users}


class Town:
    """Processes that hear one another, as far as the network lets them."""

    def __init__(self, processes: int = 2) -> None:
        self.time = 0.0
        self.words: list[bytes] = []
        self.is_cut = False
        self.boards: list[PresenceBoard] = []
        for _ in range(processes):
            board = PresenceBoard(self._publish, now=lambda: self.time)
            for partition in range(PARTITIONS):
                board.subscribed(partition)
            self.boards.append(board)
        self._underway: list[bytes] = []

    def _publish(self, partition: int, word: bytes) -> None:
        assert partition == partition_of(SECTION)
        self.words.append(word)
        self._underway.append(word)

    def deliver(self) -> None:
        while self._underway:
            word = self._underway.pop(0)
            for board in [] if self.is_cut else self.boards:
                board.hear(word)

    def enter(self, process: int, user: int, board: PresenceBoard | None = None) -> Ear:
        ear = Ear()
        (board or self.boards[process]).enter(ear, SECTION, user, NAMES[user])  # type: ignore[arg-type]  # it can be told
        self.deliver()
        return ear

    def leave(self, process: int, ear: Ear) -> None:
        self.boards[process].leave(ear, SECTION)  # type: ignore[arg-type]  # it entered
        self.deliver()

    def wait(self, seconds: float) -> None:
        self.time += seconds
        for board in self.boards:
            board.look()
        self.deliver()


@pytest.fixture
async def town() -> Iterator[Town]:
    town = Town()
    yield town
    for board in town.boards:
        board.close()


def test_who_is_alone_costs_one_word_and_hears_nothing() -> None:
    town = Town()
    ann = town.enter(0, ANN)
    for _ in range(100):
        town.wait(ANNOUNCE_S)
    town.leave(0, ann)
    assert [word[:1] for word in town.words] == [HELLO]
    assert ann.times == 0


async def test_two_in_two_processes_know_of_each_other_until_one_leaves(town: Town) -> None:
    ann = town.enter(0, ANN)
    ben = town.enter(1, BEN)
    assert ann.users == ben.users == {ANN, BEN}
    town.wait(ANNOUNCE_S)
    town.leave(1, ben)
    assert ann.users == set()
    assert (ann.times, ben.times) == (2, 1)
    assert town.words[-1][:1] == BYE


def test_two_in_one_process_need_no_words() -> None:
    town = Town(1)
    ann, ben = town.enter(0, ANN), town.enter(0, BEN)
    again = town.enter(0, ANN)
    assert ann.users == ben.users == again.users == {ANN, BEN}
    town.leave(0, ann)
    assert again.users == {ANN, BEN}
    assert ben.times == 1
    town.leave(0, again)
    assert ben.users == set()
    assert BYE not in {word[:1] for word in town.words}


async def test_one_person_in_two_processes_is_one_and_leaves_once(town: Town) -> None:
    ann, desk, phone = town.enter(0, ANN), town.enter(0, BEN), town.enter(1, BEN)
    assert ann.users == {ANN, BEN}
    town.leave(0, desk)
    assert ann.users == {ANN, BEN}
    town.leave(1, phone)
    assert ann.users == set()


async def test_who_falls_silent_is_forgotten_and_comes_back_with_a_word(town: Town) -> None:
    ann, ben = town.enter(0, ANN), town.enter(1, BEN)
    town.is_cut = True
    town.wait(ANNOUNCE_S)
    town.wait(ANNOUNCE_S)
    assert ann.users == ben.users == {ANN, BEN}
    town.wait(FORGET_S)
    assert ann.users == ben.users == set()
    town.is_cut = False
    clo = town.enter(0, CLO)
    assert ben.users == {CLO, BEN, ANN}
    town.wait(ANNOUNCE_S)
    assert ann.users == ben.users == clo.users == {ANN, BEN, CLO}


def test_nobody_says_hello_before_the_answers_would_be_heard() -> None:
    town = Town(1)
    late = PresenceBoard(town._publish)
    town.boards.append(late)
    ear = town.enter(1, ANN, late)
    assert town.words == []
    late.subscribed(partition_of(SECTION))
    late.subscribed(partition_of(SECTION))
    assert [word[:1] for word in town.words] == [HELLO]
    late.lost({partition_of(SECTION)})
    town.enter(1, BEN, late)
    assert ear.users == {ANN, BEN}
    assert len(town.words) == 1
    late.subscribed(partition_of(SECTION))
    assert [word[:1] for word in town.words] == [HELLO, HERE, HELLO]


async def test_after_a_break_hello_is_said_again_where_somebody_was_known(town: Town) -> None:
    town.enter(0, ANN)
    town.enter(1, BEN)
    said = len(town.words)
    town.boards[0].lost({partition_of(SECTION)})
    town.boards[0].subscribed(partition_of(SECTION))
    town.deliver()
    assert [word[:1] for word in town.words[said:]] == [HELLO, HERE]


async def test_what_is_not_understood_changes_nothing(town: Town) -> None:
    ann = town.enter(0, ANN)
    chance = random.Random(5)
    hello = town.words[0]
    for word in [
        b"",
        b"?",
        hello[:16],
        b"x" + hello[1:],
        hello[:1] + bytes(4) + hello[5:],
        *map(chance.randbytes, range(64)),
    ]:
        town.boards[0].hear(word)
    assert ann.times == 0
    said = len(town.words)
    town.boards[0].hear(hello)  # its own
    assert len(town.words) == said


async def test_only_so_many_are_kept_of_one_section(town: Town) -> None:
    ann = town.enter(0, ANN)
    hello = town.words[0]
    for user in range(1000, 1000 + 3 * OTHERS_MAX):
        town.boards[0].hear(hello[:5] + b"another." + user.to_bytes(4, "big") + b"x")
    assert len(ann.users) == OTHERS_MAX + 1


@pytest.mark.parametrize("seed", range(40))
async def test_whatever_happens_everybody_knows_everybody_a_while_later(seed: int) -> None:
    chance, town = random.Random(seed), Town(3)
    inside: list[tuple[int, int, Ear]] = []
    for _ in range(60):
        town.is_cut = chance.random() < 0.3
        if inside and chance.random() < 0.45:
            process, _, ear = inside.pop(chance.randrange(len(inside)))
            town.leave(process, ear)
        else:
            process, user = chance.randrange(3), chance.choice(list(NAMES))
            inside.append((process, user, town.enter(process, user)))
        if chance.random() < 0.2:
            town.wait(ANNOUNCE_S)
    town.is_cut = False
    newcomers = [town.enter(process, user) for process, user in enumerate(NAMES)]
    for _ in range(5):
        town.wait(ANNOUNCE_S)
    for ear in [*newcomers, *(ear for _, _, ear in inside)]:
        assert ear.users == set(NAMES)
    for board in town.boards:
        board.close()
