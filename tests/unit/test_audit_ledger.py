"""What is no ledger is refused: against an empty one everything would be well."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from click.testing import CliRunner

from ops.audit import command
from ops.audit.checks import Report, Verdict
from ops.audit.ledger import LedgerError, LedgerLoader

if TYPE_CHECKING:
    from pathlib import Path

RUN = '{"event":"run","t":1,"format":2,"options":{}}\n'
CLIENT = '["c",1,"0199b0c8-0000-7000-8000-000000000000",7,11]\n'
ANSWERED = '["a",5,1,3,0,[],[]]\n'
END = '{"event":"end","t":9,"figures":{}}\n'


class _Tables:
    """Stands in for the connection: it takes what PostgreSQL's `int` columns take."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []

    async def copy_records_to_table(self, _table: str, *, records: list[tuple[Any, ...]]) -> None:
        for row in records:
            if any(isinstance(field, int) and field >= 2**63 for field in row):
                raise OverflowError("value out of int64 range")
        self.rows += records


def loaded(path: Path, text: str) -> LedgerLoader:
    path.write_text(text)
    tables: Any = _Tables()
    loader = LedgerLoader(tables)
    asyncio.run(loader.load(path))
    return loader


def test_a_whole_ledger_and_one_without_its_end(tmp_path: Path) -> None:
    assert loaded(tmp_path / "a", RUN + CLIENT + ANSWERED + END).unended == 0
    assert loaded(tmp_path / "a", RUN + CLIENT + ANSWERED).unended == 1
    assert loaded(tmp_path / "a", RUN + CLIENT + ANSWERED + END[:-5]).unended == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not one whole line"),
        ("\x00\x01", "not one whole line"),
        (RUN[:-5], "not one whole line"),
        (CLIENT + ANSWERED + END, "line 1: ValueError a ledger begins"),
        ("[1]\n", "line 1: ValueError a ledger begins"),
        ("3\n", "line 1: ValueError a ledger begins"),
        (RUN + "3\n", "line 2: TypeError"),
        (RUN + ANSWERED, "line 2: KeyError"),
        (RUN + '{"a":' * 100_000 + "\n", "line 2: RecursionError"),
        (RUN + CLIENT + ANSWERED.replace("5", "1" + "0" * 19), "before line 3: value out of int64"),
    ],
)
def test_what_is_damaged_is_named(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=words):
        loaded(tmp_path / "ledger", text)


def test_who_has_not_looked_says_neither_well_nor_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def refused(*_: object) -> None:
        raise LedgerError("that is no ledger")

    monkeypatch.setattr(command, "audit_stores", refused)
    monkeypatch.setattr(command.Settings, "from_env", lambda _: None)
    monkeypatch.setattr(command, "settings_environment", lambda _: {})
    done = CliRunner().invoke(command.audit, ["--data-dir", str(tmp_path)])
    assert (done.exit_code, done.output) == (3, "Error: that is no ledger\n")


WELL = Report([], {"acknowledged": 1}, {})
LOST = Report([Verdict("I1", "stored once", "1", {"lost": 1}, [])], {"acknowledged": 1}, {"lost": 1})


@pytest.mark.parametrize(
    ("found", "statuses"),
    [
        (asyncpg.UndefinedTableError("no relation edit_log"), (3, 3)),
        (OSError(5, "Input/output error"), (3, 3)),
        (KeyError("a mistake in here"), (3, 3)),
        (KeyboardInterrupt(), (3, 3)),
        (WELL, (0, 3)),
        (LOST, (1, 1)),
    ],
)
def test_status_1_says_that_something_was_found_and_nothing_else(
    found: Report | BaseException, statuses: tuple[int, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where the file that was asked for cannot be written in the end."""

    async def audit(*_: object) -> Report:
        if isinstance(found, Report):
            return found
        raise found

    def full(path: Path, _text: str) -> None:
        raise OSError(28, "No space left", path)

    monkeypatch.setattr(command, "audit_stores", audit)
    monkeypatch.setattr(command.Settings, "from_env", lambda _: None)
    monkeypatch.setattr(command, "settings_environment", lambda _: {})
    kept = ["--json", str(tmp_path / "report.json")]
    written = CliRunner().invoke(command.audit, kept)
    assert (tmp_path / "report.json").exists() == isinstance(found, Report)
    monkeypatch.setattr("pathlib.Path.write_text", full)
    unwritten = CliRunner().invoke(command.audit, kept)
    assert (written.exit_code, unwritten.exit_code) == statuses, written.output + unwritten.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a", "a"], "given twice"),
        (["a", "same"], "given twice"),
        (["a", "--json", "sub/../a"], "would be gone"),
        (["a", "--json", "same"], "would be gone"),
    ],
)
def test_a_ledger_is_read_once_and_never_written_over(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "a").write_text(RUN + END)
    (tmp_path / "same").symlink_to("a")
    done = CliRunner().invoke(command.audit, arguments)
    assert (done.exit_code, words in done.output) == (2, True), done.output
    assert (tmp_path / "a").read_text() == RUN + END
