"""What click lets through, and what would be found out only after an hour, is refused at the beginning."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

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
        ("bench peers --out /proc/nowhere", "No such file"),
        ("audit --json /proc/nowhere/x", "nothing can be written to /proc/nowhere"),
        ("compare / / --json /proc/nowhere/x", "nothing can be written to /proc/nowhere"),
    ],
)
def test_it_is_said_at_the_beginning(arguments: str, words: str) -> None:
    done = CliRunner().invoke(inkfast, arguments.split())
    assert (done.exit_code, words in done.output) == (2, True), done.output
