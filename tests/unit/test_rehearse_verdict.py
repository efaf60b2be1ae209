"""What is said of a run: objectives, verdict, report, JUnit."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

import pytest
from click.testing import CliRunner

import ops.rehearse.run as run_module
from loadtests.rehearsal.engine import IDLE_S_MAX
from loadtests.rehearsal.figures import Second
from loadtests.rehearsal.profiles import PROFILES
from ops.processes import ServerError
from ops.rehearse.charts import Band, Chart, Line, draw, nice_ceiling, short, thin
from ops.rehearse.command import rehearse
from ops.rehearse.faults import FAULTS, FaultAt, FaultMark, not_under_load, parse_fault, seconds_of
from ops.rehearse.junit import junit_of
from ops.rehearse.overload import overload_of
from ops.rehearse.report import html_of
from ops.rehearse.run import Outcome, audit_target
from ops.rehearse.series import Series
from ops.rehearse.slo import OBJECTIVES, SloError, default_slo, judge, read_slo
from ops.rehearse.stand import Target
from ops.rehearse.verdict import EXIT_OF, LAG_MS_P99_MAX, decide, generator_limits
from tests.rehearsal_runs import a_run, changed

if TYPE_CHECKING:
    from pathlib import Path


def test_all_is_well_is_a_pass() -> None:
    assert decide(a_run(), [], []).name == "pass"
    assert EXIT_OF == {"pass": 0, "fail": 1, "invalid": 3}


@pytest.mark.parametrize("what", ["lost", "duplicated", "out_of_order", "mismatch"])
def test_loss_fails_a_run_that_is_invalid_too(what: str) -> None:
    verdict = decide(changed(f"audit.{what}", 1), [], ["the generator ended early"])
    assert verdict.name == "fail"
    assert verdict.reasons[0].startswith("1 edits ")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("audit.audited", False, "could not be audited"),
        ("edits.offered", 0, "nothing was typed"),
        ("audit.acknowledged", 899, "know of 899 acknowledged edits only, and the generator has counted 900"),
        ("generator.reasons", ["it was late"], "late"),
    ],
)
def test_what_shows_nothing_is_invalid(path: str, value: Any, words: str) -> None:
    verdict = decide(changed(path, value), [], [])
    assert verdict.name == "invalid"
    assert words in verdict.reasons[0]


def test_a_missed_objective_and_what_is_not_recorded_fail_it() -> None:
    missed = judge({"request_ms_p99": 10}, a_run())
    verdict = decide(a_run(), missed, [])
    assert (verdict.name, list(verdict.reasons)) == (
        "fail",
        ["1 request in 100 took 30.00 ms or longer, the limit is 10.00 ms"],
    )
    untold = changed("edits.unrecorded", 3)
    assert "had not been told so" in decide(untold, [], []).reasons[0]
    untold["audit"]["held"] = 2
    assert decide(untold, [], []).reasons == ["3 edits were not recorded in the end"]
    assert decide(changed("teachers_reached", 50), [], []).name == "fail"
    assert decide(changed("teachers_reached", 50) | {"overload": {}}, [], []).name == "pass"
    fault = {"name": "kill-api", "at_s": 1.0, "until_s": None, "complaint": "it did not come back"}
    assert decide(a_run(faults=[fault]), [], []).name == "fail"


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("generator.lag_ms_p99", 101.0, "late"),
        ("generator.lag_ms_p99", None, "measured nothing"),
        ("teachers_sent", 90, "sent only 90 of 100"),
        ("generator.gave_up", 2, "could not go on"),
        ("generator.dropped", 1, "never typed"),
        ("generator.ended", 0, "only 0 of 1 generator processes came to their end"),
    ],
)
def test_the_generator_was_the_limit(path: str, value: Any, words: str) -> None:
    assert words in generator_limits(changed(path, value), {0: [0.1] * 60})[0]


def test_a_full_core_or_a_process_that_is_missing_is_the_generators_limit() -> None:
    assert generator_limits(a_run(), {0: [0.1] * 60}) == []
    assert "core full in 7 of 60" in generator_limits(a_run(), {0: [0.99] * 7 + [0.1] * 53})[0]
    two = changed("processes.generator", 2)
    assert "1 of 2" in generator_limits(two, {0: [0.1] * 60})[0]


def test_objectives_without_a_figure_are_not_held() -> None:
    assert not judge({"oldest_unrecorded_s_max": 5}, changed("oldest_unrecorded_s_max", None))[0].holds
    assert judge({"edits_per_s_min": 15}, a_run())[0].holds
    assert not judge({"edits_per_s_min": 15.1}, a_run())[0].holds


def test_the_designs_objectives() -> None:
    assert default_slo(5000, 0, only_loss=False)["drafted_age_ms_p99"] == 7000
    assert default_slo(5000, 0, only_loss=True) == {}
    assert default_slo(5000, 26_000, only_loss=False) == {"streams_open_min": 25_740}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[slo\n", "no TOML"),
        ("", "one table is expected"),
        ("[slo]\n", "at least one limit"),
        ("[slo]\nspeed = 1\n", "no such objective: speed"),
        ("[slo]\nrequest_ms_p99 = true\n", "no limit"),
        ('[slo]\nrequest_ms_p99 = "500"\n', "no limit"),
        ("[slo]\nrequest_ms_p99 = -1\n", "no limit"),
        ("[slo]\nrequest_ms_p99 = nan\n", "no limit"),
        ("[slo]\nrequest_ms_p99 = inf\n", "no limit"),
        (f"[slo]\nrequest_ms_p99 = 1{'0' * 400}\n", "no limit"),
        ("[slo]\nrequest_ms_p99 = 1\n[more]\nx = 1\n", "one table is expected"),
    ],
)
def test_a_broken_file_of_objectives_is_named(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "slo.toml"
    path.write_text(text)
    with pytest.raises(SloError, match=re.escape(words)):
        read_slo(path)
    done = CliRunner().invoke(rehearse, ["smoke", "--slo", str(path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_every_objective_names_a_figure_that_there_is(tmp_path: Path) -> None:
    path = tmp_path / "slo.toml"
    path.write_text("[slo]\n" + "".join(f"{name} = 1\n" for name in OBJECTIVES))
    run = a_run() | {
        "overload": overload_of([], PROFILES["overload"], 100.0) | {"throughput_percent": 91, "recovery_s": 3}
    }
    assert all(one.value is not None for one in judge(read_slo(path), run))
    assert set(run["overload"]) == set(overload_of([], PROFILES["overload"], 100.0))


def test_a_generator_that_has_nothing_to_do_is_not_late_by_that() -> None:
    assert IDLE_S_MAX * 1000 < LAG_MS_P99_MAX / 2


def test_a_fault_has_a_moment_and_a_length() -> None:
    assert parse_fault("stop-postgres@4m+2m") == FaultAt("stop-postgres", 240.0, 120.0)
    assert parse_fault("kill-valkey@90").at_s == 90.0
    assert seconds_of("1h30m5s") == 5405.0
    assert {"kill-valkey", "stop-postgres", "kill-api"} <= FAULTS.keys()


def an_outcome(**changes: Any) -> Outcome:
    run = a_run(**changes)
    rows = [
        {"t": 100 + at, "at": at, "offered": 10.0 + at, "drafted": 9.0, "cpu_API": 0.2, "lag_ms_p99": 5.0}
        for at in range(9)
    ]
    judged = judge({"request_ms_p99": 10}, run)
    run["slo"] = [one._asdict() | {"holds": one.holds} for one in judged]
    return Outcome(run, rows, judged, decide(run, judged, []))


def test_the_report_begins_with_the_verdict_and_needs_nothing_from_elsewhere() -> None:
    page = html_of(an_outcome())
    body = page.partition("<main>")[2]
    assert re.sub(r"<[^>]+>", "", body.strip().splitlines()[0]).startswith("Go: 100 teachers")
    assert not re.search(r"(?:src|href)=|url\(|@import|https?://", page)
    assert "prefers-color-scheme: dark" in page
    assert page.count("<svg") >= 4


def test_the_report_shows_names_as_they_are_and_runs_nothing_of_them() -> None:
    fault = {"name": "<script>alert(1)</script>", "at_s": 1.0, "until_s": 3.0, "complaint": ""}
    page = html_of(an_outcome(faults=[fault], errors={"save: <b>": 3}))
    assert "<script" not in page
    assert "save: <b>" not in page
    assert 'class="fault"' in page


def test_a_chart_keeps_its_peaks_and_marks_faults() -> None:
    points = [(float(at), 500.0 if at == 777 else 1.0) for at in range(2000)]
    assert max(value for _, value in thin(points)) == 500.0
    drawn = draw(Chart("t", "u", [Line("a", 1, points)]), 2000, [Band("kill-api", 10, 20)])
    assert "kill-api" in drawn
    assert "none" in draw(Chart("t", "u", [Line("a", 1, [])]), 10, [])
    assert [nice_ceiling(v) for v in (0, 0.9, 11, 480)] == [1.0, 1.0, 15.0, 500.0]
    assert [short(v) for v in (0, 0.25, 12_345, 2_500_000)] == ["0", "0.25", "12.3k", "2.5M"]


def test_what_is_stacked_is_all_there_at_every_moment_that_is_drawn() -> None:
    """Each line has its peaks elsewhere: thinned by itself, it was missing under the peaks of the others."""
    lines = [Line(f"part {n}", n, [(float(at), 1.0 + (at % 7 == n) / 10) for at in range(3000)]) for n in range(1, 4)]
    drawn = draw(Chart("CPU", "cores", lines, stacked=True), 3000, [])
    first, third = (
        [float(point.split()[1]) for point in re.findall(rf'class="area c{n}" d="M([^"]*) Z"', drawn)[0].split(" L")]
        for n in (1, 3)
    )
    half = len(third) // 2  # the upper edge; the way back is the layer below
    assert all(above < below - 10 for above, below in zip(third[:half], first[:half], strict=True))


def cases_of(run: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """How many failures the suite tells of, and what its failed cases say, by their names; ExpatError: it is no XML."""
    suite: dict[str, str] = {}
    names: list[str] = []
    failed: dict[str, str] = {}

    def begin(tag: str, told: dict[str, str]) -> None:
        if tag == "testsuite":
            suite.update(told)
        elif tag == "testcase":
            names.append(told["name"])
        elif tag == "failure":
            failed[names[-1]] = told["message"]

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.ParseFile(io.BytesIO(junit_of(run).encode()))
    assert suite["tests"] == str(len(names))
    return suite["failures"], failed


def test_junit_has_a_case_for_each_thing_and_fails_what_failed() -> None:
    failures, failed = cases_of(an_outcome().run)
    assert failures == "1"
    assert list(failed) == ["request_ms_p99"]
    lost = changed("audit.lost", 2) | {"verdict": "fail"}
    assert cases_of(lost) == ("1", {"edits: lost 0": "2"})


def test_what_the_journal_still_holds_fails_a_run_and_is_called_neither_lost_nor_wrong() -> None:
    verdict = decide(changed("audit.waiting", 40), [], ["the generator did not end in time"])
    assert (verdict.name, verdict.reasons[0]) == (
        "fail",
        "40 entries did not leave the journal in time: they are held, not lost, and not recorded",
    )


def test_junit_says_nothing_good_of_what_nobody_has_looked_at_and_is_xml_whatever_was_said() -> None:
    run = a_run(audit={"audited": False, "why_not": "\x1b[31maway\x00", "lost": None, "duplicated": None})
    run |= {"verdict": "invalid", "reasons": ["it could not be audited: \x1b[31maway"]}
    failures, failed = cases_of(run)
    assert failed["edits: lost 0"] == "nobody has looked"
    assert failures == str(len(failed)) == "7"


def test_a_fault_that_the_load_never_met_is_named() -> None:
    faults = [FaultAt("kill-api", 20.0, 0.0), FaultAt("stop-postgres", 5.0, 60.0), FaultAt("kill-valkey", 8.0, 0.0)]
    marks = [FaultMark("stop-postgres", 1005.0, 1065.0, ""), FaultMark("kill-valkey", 1065.0, 1066.0, "")]
    assert not_under_load(faults[1:2], marks, 1000, 30.0) == []
    assert not_under_load(faults, marks, 1000, 30.0) == [
        "kill-valkey@8s came after the typing: the fault before it took so long",
        "kill-api@20s was never made",
    ]


def a_second(process: int, unrecorded: int, t: int, **more: Any) -> str:
    second = Second()
    second.gauges = {"cpu": 0.1, "sockets": 1, "unrecorded": unrecorded}
    return json.dumps(second.as_plain(t, process) | more) + "\n"


def test_processes_end_in_different_seconds_and_each_ones_last_word_counts(tmp_path: Path) -> None:
    figures = tmp_path / "figures.jsonl"
    figures.write_text(a_second(0, 3, 100) + a_second(1, 5, 100) + a_second(1, 0, 101, is_last=True))
    series = Series(figures)
    series.read()
    assert (series.unrecorded, series.ended) == (3, {1})


@pytest.mark.parametrize(
    ("error", "why_not"),
    [
        (ServerError("the journal is gone"), "the journal is gone"),
        (RuntimeError("an entry"), "the command itself failed: RuntimeError an entry"),
        (KeyboardInterrupt(), "it was interrupted, and what it had started is stopped"),
    ],
)
def test_what_stops_the_audit_makes_the_run_invalid_whatever_it_is(
    error: BaseException, why_not: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def stopped(*_: object) -> None:
        raise error

    monkeypatch.setattr(run_module, "audit_stores", stopped)
    settings: Any = object()
    target = Target("http://127.0.0.1:1", settings, dict)
    audited = audit_target(target, [tmp_path / "a"], 1, print)
    assert (audited.report, audited.why_not) == (None, why_not)
    assert "2 processes have left 1 ledgers" in audit_target(target, [tmp_path / "a"], 2, print).why_not
