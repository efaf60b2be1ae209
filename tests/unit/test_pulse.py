"""Answers of a server as signs of life: any will do, and silence keeps one question waiting."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from ops.pulse import AnswerPulse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen(1)
        server.settimeout(0)
        yield server


def test_an_answer_is_a_sign_of_life_and_the_next_question_comes_in_time(server: socket.socket, tmp_path: Path) -> None:
    pulse = AnswerPulse(tmp_path / "s", b"PING\r\n", every_s=0.5)
    pulse.look(10.0)
    assert pulse.look_at() is None
    client, _ = server.accept()
    with client:
        assert client.recv(64) == b"PING\r\n"
        client.send(b"-LOADING\r\n")
        pulse.look(10.2)
    assert (pulse.heard_at, pulse.is_ready, pulse.descriptors()) == (10.2, True, [])
    assert pulse.look_at() == 10.5
    pulse.look(10.4)
    assert not pulse.descriptors()
    pulse.look(10.5)
    assert len(pulse.descriptors()) == 1
    pulse.close()


def test_silence_is_no_sign(server: socket.socket, tmp_path: Path) -> None:
    pulse = AnswerPulse(tmp_path / "s", b"PING\r\n")
    for now in range(20):
        pulse.look(float(now))
    assert pulse.heard_at is None
    server.accept()[0].close()
    with pytest.raises(BlockingIOError):
        server.accept()  # one question, however long it took
    pulse.look(20.0)
    assert pulse.heard_at is None, "a connection that is closed without a word is none"
    pulse.close()


def test_a_server_that_is_not_there_is_asked_again(tmp_path: Path) -> None:
    pulse = AnswerPulse(tmp_path / "none", b"PING\r\n", every_s=0.5)
    pulse.look(1.0)
    assert pulse.heard_at is None
    assert pulse.look_at() == 1.5
