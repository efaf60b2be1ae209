"""What a run of the profile `overload` shows: how much more came than could be served, and what became of it.

How much would come if nobody were asked to save less often is known from the beginning of the run, where the window is
the shortest and nobody waits: so many saves a teacher. What can be served at most is seen on the way up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtests.rehearsal.profiles import Profile

MEAN_S: Final = 5  # a most is the most of means of so many seconds
QUIET_S_MIN: Final = 5  # seconds at the beginning that have to show how often a teacher saves
QUIET_SHARE_MAX: Final = 0.35  # of the teachers: beyond, it is no beginning any more
WELL_S: Final = 5  # seconds in a row without a failure and with quick answers: it has recovered
REQUEST_MS_MAX: Final = 1_000.0  # 99 of 100; the machine is the generator's too
BEYOND_WINDOW_MS_MAX: Final = 2_000.0
TIMES_MIN: Final = 4.0


def overload_of(rows: Sequence[Mapping[str, float]], profile: Profile, duration_s: float) -> dict[str, Any]:
    """Return what run.json says of it; figures that the run did not give are None."""
    assert profile.overload is not None  # noqa: S101 -- asked of such a profile only
    began_s, ended_s = (share * duration_s for share in profile.overload)
    before = [row for row in rows if row["at"] < began_s]
    during = [row for row in rows if began_s <= row["at"] < ended_s]
    each = _saves_of_a_teacher(before, profile.save_window_ms)
    peak = _most(before, "save")
    teachers = max((row["teachers"] for row in during), default=0)
    times = teachers * each / peak if each and peak else None
    return {
        "saves_per_s_peak": round(peak, 1),
        "saves_per_s": round(_mean(during, "save"), 1),
        "offered_saves_per_s": round(teachers * each, 1) if each else None,
        "times": round(times, 2) if times is not None else None,
        "edits_per_s_peak": round(_most(before, "drafted"), 1),
        "edits_per_s": round(_mean(during, "drafted"), 1),
        "throughput_percent": _percent(_mean(during, "drafted"), _most(before, "drafted")),
        "next_save_ms_max": max((row.get("next_save_ms", 0) for row in during), default=None),
        "recovery_s": _recovery_s([row for row in rows if row["at"] >= ended_s]),
    }


def sentences_of(run: Mapping[str, Any]) -> list[str]:
    """Return it for a person."""
    found = run["overload"]
    most = f"{found['saves_per_s_peak']:,.0f} saves/s and {found['edits_per_s_peak']:,.0f} edits/s"
    then = f"{found['saves_per_s']:,.0f} saves/s and {found['edits_per_s']:,.0f} edits/s"
    window = f"{found['next_save_ms_max'] or 0:,.0f} ms"
    said = [
        f"at most {most}; under {found['times'] or 0:.1f} times as much {then}, with a save window of up to {window}"
    ]
    if turned_away := run["teachers_sent"] - run["teachers_reached"]:
        said.append(f"{turned_away:,} of {run['teachers_sent']:,} teachers were told to come back, and were not in yet")
    return said


def too_little(found: Mapping[str, Any]) -> list[str]:
    """Return why the run shows nothing: less came than was meant to."""
    if found["times"] is None:
        return ["how much was offered is not known: the run was too short"]
    if found["times"] < TIMES_MIN:
        times = f"only {found['times']:.1f} times as much was offered as can be served, not {TIMES_MIN:g} times"
        return [f"{times}: more --teachers, or fewer --api-processes"]
    return []


def _saves_of_a_teacher(rows: Sequence[Mapping[str, float]], window_ms: int) -> float | None:
    """Return the saves a second of one teacher where nothing is slow yet."""
    most = max((row["teachers_wanted"] for row in rows), default=0)
    quiet = [
        row
        for row in rows
        if row["teachers"] and row["teachers"] < QUIET_SHARE_MAX * most and row.get("next_save_ms", 0) <= window_ms
    ]
    quiet = quiet[len(quiet) // 3 :]  # the first have just arrived, and look
    if len(quiet) < QUIET_S_MIN:
        return None
    return sum(row["save"] for row in quiet) / sum(row["teachers"] for row in quiet)


def _mean(rows: Sequence[Mapping[str, float]], name: str) -> float:
    return sum(row[name] for row in rows) / max(1, len(rows))


def _most(rows: Sequence[Mapping[str, float]], name: str) -> float:
    spans = [rows[at : at + MEAN_S] for at in range(max(1, len(rows) - MEAN_S + 1))]
    return max((_mean(span, name) for span in spans), default=0.0)


def _percent(part: float, whole: float) -> float | None:
    return round(100 * part / whole, 1) if whole else None


def _recovery_s(rows: Sequence[Mapping[str, float]]) -> float | None:
    """Return after how many seconds all was well for WELL_S in a row; None if it never was."""
    well = 0
    for row in rows:
        well = well + 1 if _is_well(row) else 0
        if well == WELL_S:
            return row["at"] - WELL_S + 1 - rows[0]["at"]
    return None


def _is_well(row: Mapping[str, float]) -> bool:
    ages_ms_max = row.get("next_save_ms", 0) + BEYOND_WINDOW_MS_MAX
    is_quick = row.get("request_ms_p99", 0) <= REQUEST_MS_MAX and row.get("drafted_ms_p99", 0) <= ages_ms_max
    return is_quick and not row["errors"]
