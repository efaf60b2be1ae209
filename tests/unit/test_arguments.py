"""What click lets through, and what would be found out only after an hour, is refused at the beginning."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from ops.bench.command import HEEDED_BY, SET_BY_SHORT, bench
from ops.cli import inkfast


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("bench save --seconds nan", "no number"),
        ("bench save --seconds inf", "no number"),
        ("bench cost --rate nan", "no number"),
        ("bench cost --teachers 5,2000000000", "not two numbers"),
        ("bench save --json /proc/nowhere/x", "nothing can be written to /proc/nowhere"),
        ("bench steady --before / --json x", "steady writes no --json"),
        ("bench steady", "needs --before"),
        ("bench steady --before /", "no checkout"),
        ("bench openings", "openings needs --before"),
        ("bench openings --before / --connections 8", "openings would not heed it"),
        ("bench peers --out /proc/nowhere", "No such file"),
        ("bench save --before /", "--before is for openings, steady: save would not heed it"),
        ("bench servers --connections 8", "--connections is for all, cost, peers, save, steady"),
        ("bench memory --rounds 7", "--rounds is for"),
        ("bench memory --seconds 4", "--seconds is for"),
        ("bench peers --flush-rows 1000", "--flush-rows is for"),
        ("bench save --memory-edits 3000", "--memory-edits is for all, memory"),
        ("bench save --rate 5", "--rate is for cost, steady"),
        ("bench --teachers 1000,26000", "--teachers is for cost: all would"),
        ("bench steady --before / --by shards", "--by is for cost"),
        ("bench peers --in-turn", "--in-turn is for cost"),
        ("bench cost --out nowhere", "--out is for peers"),
        ("bench cost --connections 8 --connections 9", "one number of --connections"),
        ("bench save --short --rounds 7", "would not heed --rounds"),
        ("audit --wait-s nan", "no number"),
        ("audit --json /proc/nowhere/x", "nothing can be written to /proc/nowhere"),
        ("compare / / --json /proc/nowhere/x", "nothing can be written to /proc/nowhere"),
        ("rehearse prepare --out /proc/nowhere/x", "nothing can be written to /proc/nowhere"),
        ("rehearse prepare --hours nan", "no number"),
        ("rehearse prepare --teachers 0", "1<=x<="),
    ],
)
def test_it_is_said_at_the_beginning(arguments: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("ops.bench.command.machine")  # where it is not said, nothing is measured for an hour either
    done = CliRunner().invoke(inkfast, arguments.split())
    assert (done.exit_code, words in done.output) == (2, True), done.output


@pytest.mark.parametrize("command", ["audit --json", "compare / / --json", "rehearse prepare --out"])
def test_a_file_without_a_name_is_none(command: str) -> None:
    done = CliRunner().invoke(inkfast, [*command.split(), ""])
    assert (done.exit_code, "no name" in done.output) == (2, True), done.output


def test_every_option_of_a_bench_that_not_all_heed_is_one_that_there_is() -> None:
    names = {parameter.name for parameter in bench.params}
    assert HEEDED_BY.keys() | SET_BY_SHORT <= names
    (what,) = [parameter for parameter in bench.params if parameter.name == "what"]
    assert isinstance(what.type, click.Choice)
    assert set().union(*HEEDED_BY.values()) <= set(what.type.choices)
