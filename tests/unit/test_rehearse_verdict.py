"""What is said of a run: objectives, verdict, report, JUnit, comparison; and everything that is asked for wrongly."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from loadtests.rehearsal.engine import IDLE_S_MAX
from loadtests.rehearsal.histogram import Histogram
from loadtests.rehearsal.profiles import PROFILES
from ops.rehearse.charts import Band, Chart, Line, draw, nice_ceiling, short, thin
from ops.rehearse.command import rehearse
from ops.rehearse.compare import compare, differences, unlike
from ops.rehearse.faults import FAULTS, FaultAt, parse_fault, seconds_of
from ops.rehearse.junit import junit_of
from ops.rehearse.overload import overload_of
from ops.rehearse.report import html_of
from ops.rehearse.run import Outcome
from ops.rehearse.slo import OBJECTIVES, SloError, default_slo, judge, read_slo
from ops.rehearse.verdict import EXIT_OF, LAG_MS_P99_MAX, decide, generator_limits

if TYPE_CHECKING:
    from pathlib import Path

PERCENTILES = {"p50": 10.0, "p95": 20.0, "p99": 30.0, "max": 40.0}


def a_run(**changes: Any) -> dict[str, Any]:
    """Return a run in which everything was well."""
    histogram = Histogram()
    histogram.record(0.02)
    plain = histogram.as_plain()
    run: dict[str, Any] = {
        "verdict": "pass",
        "verdict_words": "Go: 100 teachers; nothing lost.",
        "reasons": [],
        "format": 1,
        "profile": "smoke",
        "title": "a school tries it out",
        "source": "no claim",
        "command": "inkfast rehearse smoke",
        "began_at": "2026-11-28T19:00:00+00:00",
        "teachers": 100,
        "teachers_sent": 100,
        "teachers_reached": 100,
        "scale": 1.0,
        "duration_s": 60.0,
        "seed": 1,
        "host": "an installation of its own",
        "processes": {"generator": 1, "api": 2},
        "machine": {"processor": "P", "cores": 2, "memory_mib": 1, "system": "Linux", "python": "3.11"},
        "revision": "abc",
        "load_average_before": 0.1,
        "edits": {
            "offered": 900,
            "drafted": 900,
            "recorded": 900,
            "refused": 0,
            "never_acknowledged": 0,
            "unrecorded": 0,
        },
        "edits_per_s": {"offered": 15.0, "drafted": 15.0, "offered_max": 30},
        "age_ms": {"drafted": PERCENTILES, "recorded": PERCENTILES, "told": PERCENTILES},
        "request_ms": PERCENTILES,
        "requests": 500,
        "requests_per_s": 8.3,
        "request_ms_by_name": {"save": {"p50": 1.0, "p95": 2.0, "p99": 3.0, "max": 4.0}},
        "requests_by_name": {"save": 400, "poll": 100},
        "failed_requests_percent": 0.0,
        "errors": {},
        "oldest_unrecorded_s_max": 0.4,
        "journal_depth_max": 3.0,
        "next_save_ms_max": 5000.0,
        "streams_open_max": 0,
        "drain_s": 5.0,
        "generator": {
            "late_ms_max": 100.0,
            "lag_ms_p99": 8.0,
            "lag_ms_p50": 3.0,
            "lag_ms_max": 20.0,
            "cpu": 0.1,
            "cpu_max": 0.2,
        }
        | {"processes": 1, "sockets": 100, "teachers_per_socket": 1.0, "socket_wait_ms_max": 0.0, "waiting_max": 0}
        | {"dropped": 0, "gave_up": 0, "gave_up_why": [], "valid": True, "reasons": []},
        "cost": {"API": {"cpu_s": 3.0, "cpu_s_per_1000_edits": 3.3, "memory_mib_max": 90.0}},
        "audit": {"audited": True, "why_not": "", "lost": 0, "duplicated": 0, "out_of_order": 0, "mismatch": 0}
        | {"sent": 900, "acknowledged": 900, "held": 0, "seconds": 0.5, "lines": ["all is well"]},
        "faults": [],
        "slo": [],
        "histograms": {"drafted": plain, "told": plain, "request": plain},
    }
    return run | changes


def changed(path: str, value: Any) -> dict[str, Any]:
    run = copy.deepcopy(a_run())
    *parents, last = path.split(".")
    place: Any = run
    for key in parents:
        place = place[key]
    place[last] = value
    return run


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
        ("[slo]\nrequest_ms_p99 = 1\n[more]\nx = 1\n", "one table is expected"),
    ],
)
def test_a_broken_file_of_objectives_is_named(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "slo.toml"
    path.write_text(text)
    with pytest.raises(SloError, match=re.escape(words)):
        read_slo(path)
    done = CliRunner().invoke(rehearse, ["smoke", "--slo", str(path), "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, SloError)
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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["everyone"], "no such profile: everyone"),
        (["smoke", "--fault", "meteor@5s"], "no such fault: meteor"),
        (["smoke", "--fault", "kill-api"], "when?"),
        (["smoke", "--fault", "kill-api@soon"], "no duration"),
        (["smoke", "--duration", "5 parsecs"], "no duration"),
        (["smoke", "--duration", ""], "no duration"),
        (["smoke", "--teachers", "0"], "x>=1"),
        (["smoke", "--host", "http://127.0.0.1:1", "--fault", "kill-api@5s"], "never one that is there"),
    ],
)
def test_what_is_asked_for_wrongly_is_said_before_anything_starts(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(rehearse, arguments)
    assert done.exit_code == 2
    assert words in done.output


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


def test_junit_has_a_case_for_each_thing_and_fails_what_failed() -> None:
    suite = ET.fromstring(junit_of(an_outcome().run))  # noqa: S314 -- our own
    assert suite.get("failures") == "1"
    assert [case.get("name") for case in suite if case.find("failure") is not None] == ["request_ms_p99"]
    lost = changed("audit.lost", 2) | {"verdict": "fail"}
    assert ET.fromstring(junit_of(lost)).get("failures") == "1"  # noqa: S314 -- our own


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
    slow = changed("request_ms", PERCENTILES | {"p99": 300.0})
    paths = [written(tmp_path, name, run) for name, run in (("a", a_run()), ("b", a_run()), ("c", slow))]
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
    [(a_run(format=99), "no run of format"), (a_run(verdict="invalid"), "shown nothing"), ([], "no run of format")],
)
def test_what_cannot_be_compared_is_refused(run: Any, words: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(compare, [written(tmp_path, "a", a_run()), written(tmp_path, "b", run)])
    assert words in str(done.exception)
    alone = CliRunner().invoke(compare, [str(tmp_path / "a")])
    assert alone.exit_code == 2
