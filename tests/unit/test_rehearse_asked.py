"""What is asked of `inkfast rehearse` wrongly is said before anything starts, never with the status of a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
from click.testing import CliRunner

from ops.processes import ServerError
from ops.rehearse import command
from ops.rehearse.command import rehearse
from ops.rehearse.run import Generator
from ops.rehearse.stand import check_is_ours

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["everyone"], "no such profile: everyone"),
        (["smoke", "--fault", "meteor@5s"], "no such fault: meteor"),
        (["smoke", "--fault", "kill-api"], "when?"),
        (["smoke", "--fault", "kill-api@soon"], "no duration"),
        (["smoke", "--duration", "5 parsecs"], "no duration"),
        (["smoke", "--duration", ""], "no duration"),
        (["smoke", "--duration", "0"], "from 1s to 48h"),
        (["smoke", "--duration", "99999999h"], "from 1s to 48h"),
        (["smoke", "--teachers", "0"], "1<=x<="),
        (["smoke", "--teachers", "1000000000"], "1<=x<="),
        (["smoke", "--scale", "nan"], "no number"),
        (["smoke", "--scale", "inf"], "no number"),
        (["smoke", "--scale", "1e300"], "more than 1,000,000 teachers"),
        (["smoke", "--scale", "2", "--teachers", "3"], "one of them"),
        (["smoke", "--late-ms-max", "nan"], "no number"),
        (["smoke", "--processes", "30"], "only 20 teachers"),
        (["smoke", "--seed", "-1"], "0<=x<="),
        (["smoke", "--out", ""], "no name"),
        (["smoke", "--out", "/proc/nowhere"], "No such file"),
        (["smoke", "--slo", "/proc/nowhere"], "No such file"),
        (["smoke", "--fault", "kill-api@20s"], "the typing ends after 20 s"),
        (["smoke", "--grants", "/dev/null"], "--host"),
        (["smoke", "--host", "", "--grants", "/dev/null"], "no grants in /dev/null"),
        (["smoke", "--host", "http://127.0.0.1:1", "--dir", "/"], "--dir"),
        (["smoke", "--host", "http://127.0.0.1:1", "--fault", "kill-api@5s"], "never one that is there"),
        (["smoke", "--host", "http://127.0.0.1:1", "--api-processes", "4"], "--api-processes is for an installation"),
        (["smoke", "--api-processes", "2", "--host", ""], "--api-processes is for an installation"),
        (["smoke", "--data-dir", "/"], "--data-dir is for an installation that is there"),
        (["smoke", "--write-outside-rehearsal-sections"], "is for an installation that is there"),
        (["prepare", "--remove", "--teachers", "2080"], "--teachers is for a school that is made"),
        (["prepare", "--remove", "--out", "x"], "--out is for a school that is made"),
    ],
)
def test_what_is_asked_for_wrongly_is_said_before_anything_starts(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(command, "_embedded")
    monkeypatch.delattr(command, "_begin_folder" if "--out" not in arguments else "rehearse_at")
    done = CliRunner().invoke(rehearse, arguments)
    assert done.exit_code == 2
    assert words in done.output


def test_a_folder_that_holds_a_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")  # as where only the results of a run were kept
    done = CliRunner().invoke(rehearse, ["smoke", "--out", str(tmp_path)])
    assert (done.exit_code, "holds another run" in done.output) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    "url",
    [
        *("", "nonsense:xx", "http://[::1", "https://127.0.0.1", "file:///etc/passwd"),
        *("http://127.0.0.1:1/gradebook", "127.0.0.1:1/?x=y", "http://127.0.0.1:1#x", "http://me:pw@127.0.0.1:1"),
    ],
)
def test_what_is_no_address_is_said_to_be_none(url: str) -> None:
    with pytest.raises(ServerError, match="address"):
        check_is_ours(url)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ServerError("it did not start"), "it did not start"),
        (OSError(28, "No space left"), "No space"),
        (KeyError("a mistake"), "the command itself failed"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_what_stops_a_run_is_no_verdict(
    error: BaseException, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stopped(*_: object) -> None:
        raise error

    monkeypatch.setattr(command, "_embedded", stopped)
    done = CliRunner().invoke(rehearse, ["smoke", "--out", str(tmp_path / "out")])
    assert (done.exit_code, "no verdict: " in done.output, words in done.output) == (3, True, True)


AWAY = {
    "DATABASE_URL": "postgresql://u@127.0.0.1:1/x",
    "REDIS_URL": "redis://127.0.0.1:1",
    "INKFAST_SECRET_KEY": "k" * 40,
}
NOWHERE = dict.fromkeys(AWAY)


@pytest.mark.parametrize(
    ("arguments", "settings", "status", "words"),
    [
        ([], NOWHERE, 2, "no servers: set DATABASE_URL"),
        ([], AWAY | {"INKFAST_SECRET_KEY": "short"}, 2, "at least 32 characters"),
        (["--out", "/dev/null"], AWAY, 2, "would be replaced"),
        (["--out", "n" * 250], AWAY, 2, "name too long"),
        (["--out", "n" * 300], AWAY, 2, "name too long"),
        (["--data-dir", "not-there"], AWAY, 2, "No such file"),
        ([], AWAY, 3, "PostgreSQL is away"),
        (["--remove"], AWAY, 3, "PostgreSQL is away"),
        (["--remove", "--data-dir", "not-there"], AWAY, 3, "PostgreSQL is away"),
    ],
)
def test_preparing_ends_with_2_where_it_was_asked_wrongly_and_with_3_where_the_stores_are_away(
    arguments: list[str],
    settings: dict[str, str],
    status: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(rehearse, ["prepare", "--data-dir", ".", *arguments], env=settings)
    assert (done.exit_code, words in done.output, "Traceback" in done.output) == (status, True, False), done.output
    assert not list(tmp_path.iterdir()), "nothing is left behind"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (asyncpg.UndefinedTableError("no relation org"), "PostgreSQL says: no relation org"),
        (OSError(28, "No space left"), "No space"),
        (KeyError("a mistake"), "the command itself failed"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_preparing_never_ends_with_the_status_of_a_verdict(
    error: BaseException, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def stopped(*_: object) -> None:
        raise error

    monkeypatch.setattr(command, "prepare_school", stopped)
    monkeypatch.setattr(command, "forget_school", stopped)
    for arguments in (["--out", str(tmp_path / "grants")], ["--remove"]):
        done = CliRunner().invoke(rehearse, ["prepare", *arguments], env=AWAY)
        assert (done.exit_code, words in done.output) == (3, True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ('{"user": 1, "token": "t", "sections": [1]}\n{"user": 2, "tok', "line 2"),
        ('{"user": 1, "token": "t", "sections": []}\n', "line 1: no sections"),
    ],
)
def test_grants_that_are_none_are_named_before_anything_starts(text: str, words: str, tmp_path: Path) -> None:
    grants = tmp_path / "grants.jsonl"
    grants.write_text(text)
    done = CliRunner().invoke(rehearse, ["smoke", "--host", "http://127.0.0.1:1", "--grants", str(grants)])
    assert (done.exit_code, words in done.output) == (2, True)


def test_the_generators_own_reason_is_told_and_not_the_table_below_it(tmp_path: Path) -> None:
    generator = Generator.__new__(Generator)
    generator._log = tmp_path / "log"
    for log, words in (("refused: why\n---|---\n", "refused: why"), ("a\nb\n", "b"), ("", "it said nothing")):
        generator._log.write_text(log)
        assert generator.last_words() == words
