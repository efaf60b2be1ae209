"""`inkfast compare`: what differs, what is noise, and what is refused."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from ops.rehearse.compare import compare, differences, not_compared, unlike
from tests.rehearsal_runs import PERCENTILES, a_run, changed

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, name: str, run: dict[str, Any]) -> str:
    (folder / name).mkdir()
    (folder / name / "run.json").write_text(json.dumps(run))
    return str(folder / name)


def test_repeats_say_what_is_noise() -> None:
    runs = [changed("age_ms.drafted", PERCENTILES | {"p99": p99}) for p99 in (30.0, 36.0, 39.0, 33.0)]
    found = {one.name: one for one in differences(runs)}["edit to drafted, p99 ms"]
    assert found.word == "within noise"  # 20 % worse, and repeats differ by 20 %
    assert {one.name: one for one in differences(runs[:2])}["edit to drafted, p99 ms"].word == "WORSE"
    better = [runs[0], changed("edits_per_s.drafted", 30.0)]
    assert {one.name: one for one in differences(better)}["edits saved a second"].word == "better"


def test_a_comparison_of_runs_that_are_alike(tmp_path: Path) -> None:
    slow = changed("request_ms", PERCENTILES | {"p99": 300.0}) | {"began_at": "last"}
    paths = [
        written(tmp_path, name, run) for name, run in (("a", a_run()), ("b", a_run(began_at="later")), ("c", slow))
    ]
    assert CliRunner().invoke(compare, paths[:2]).exit_code == 0
    done = CliRunner().invoke(compare, [paths[0], paths[2]])
    assert done.exit_code == 1
    assert re.search(r"request, p99 ms +30 +300 +\+900\.0% .*WORSE", done.output)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("profile", "soak"),
        ("teachers", 7),
        ("duration_s", 1.0),
        ("machine.cores", 64),
        ("faults", [{"name": "kill-api"}]),
    ],
)
def test_unlike_runs_are_not_compared(path: str, value: Any, tmp_path: Path) -> None:
    other = changed(path, value)
    assert unlike([a_run(), other])
    done = CliRunner().invoke(compare, [written(tmp_path, "a", a_run()), written(tmp_path, "b", other)])
    assert done.exit_code == 2
    assert "not alike" in done.output


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (a_run(format=99), "no run of format"),
        (a_run(verdict="invalid"), "shown nothing"),
        ([], "no run of format"),
        ({"format": 1}, "damaged: verdict"),
        (a_run(faults=None), "damaged: faults"),
        (changed("drain_s", float("nan")), "no figure"),
        (changed("drain_s", float("inf")), "no figure"),
        (a_run(verdict="invalid", reasons=[1, None]), "shown nothing (1; None)"),
    ],
)
def test_what_cannot_be_compared_is_refused(run: Any, words: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(compare, [written(tmp_path, "a", a_run()), written(tmp_path, "b", run)])
    assert (done.exit_code, words in done.output) == (2, True)
    alone = CliRunner().invoke(compare, [str(tmp_path / "a")])
    assert alone.exit_code == 2


def test_one_loss_is_never_noise(tmp_path: Path) -> None:
    runs = [changed("audit.lost", lost) | {"began_at": str(at)} for at, lost in enumerate((0, 0, 0, 5))]
    assert {one.name: one for one in differences(runs)}["lost"].word == "WORSE"  # the median is 0, and the spread 5
    more = [changed("audit.mismatch", 100), changed("audit.mismatch", 101)]
    assert {one.name: one for one in differences(more)}["otherwise than typed or told"].word == "WORSE"
    paths = [written(tmp_path, str(at), run) for at, run in enumerate(runs)]
    assert CliRunner().invoke(compare, paths).exit_code == 1


def test_the_same_run_twice_is_no_repeat() -> None:
    assert unlike([a_run(), a_run()]) == ["one of them is there twice: that is no repeat"]


def test_a_figure_that_only_some_have_is_named(tmp_path: Path) -> None:
    """A run that never drained has no time for it: what is worst in it would not be compared, and nobody told."""
    runs = [a_run(), a_run(began_at="later", drain_s=None)]
    assert not_compared(runs) == ["drain, s"]
    paths = [written(tmp_path, str(at), run) for at, run in enumerate(runs)]
    assert "not compared, as not every run has them: drain, s" in CliRunner().invoke(compare, paths).output


def test_what_is_not_even_json_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for at, text in enumerate(("{", "[" * 100_000, "\x00")):
        (tmp_path / f"{at}.json").write_text(text)
        done = CliRunner().invoke(compare, [str(tmp_path / f"{at}.json")] * 2)
        assert (done.exit_code, done.output.count("cannot be compared")) == (2, 1)


def test_a_number_beyond_all_reason_is_no_figure(tmp_path: Path) -> None:
    runs = [a_run(), changed("drain_s", 10**400) | {"began_at": "later"}]
    paths = [written(tmp_path, str(at), run) for at, run in enumerate(runs)]
    done = CliRunner().invoke(compare, paths)
    assert (done.exit_code, "not compared, as not every run has them: drain, s" in done.output) == (0, True)
    (tmp_path / "0" / "run.json").write_text(json.dumps(a_run()).replace('"drain_s": ', '"drain_s": 1e999, "x": '))
    done = CliRunner().invoke(compare, paths)
    assert (done.exit_code, "1e999 is no figure" in done.output) == (2, True)


def test_a_run_is_not_written_over(tmp_path: Path) -> None:
    paths = [written(tmp_path, name, a_run(began_at=name)) for name in "ab"]
    done = CliRunner().invoke(compare, [*paths, "--json", str(tmp_path / "a" / ".." / "b" / "run.json")])
    assert (done.exit_code, "is one of the runs" in done.output) == (2, True)
    assert json.loads((tmp_path / "b" / "run.json").read_text()) == json.loads(json.dumps(a_run(began_at="b")))


def test_status_1_says_that_something_is_worse_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    paths = [written(tmp_path, name, a_run(began_at=name)) for name in "ab"]
    paths.append(written(tmp_path, "worse", changed("audit.lost", 5)))
    kept = ["--json", str(tmp_path / "differences.json")]

    def full(path: Path, _text: str) -> None:
        raise OSError(28, "No space left", path)

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.write_text", full)
        same, worse = (CliRunner().invoke(compare, [paths[0], other, *kept]) for other in paths[1:])
    assert (same.exit_code, "differences.json could not be written: No space left" in same.output) == (3, True)
    assert (worse.exit_code, "WORSE" in worse.output) == (1, True)

    def mistaken(_runs: object) -> None:
        raise KeyError("a mistake in here")

    monkeypatch.setattr("ops.rehearse.compare.differences", mistaken)
    assert CliRunner().invoke(compare, paths).exit_code == 3
