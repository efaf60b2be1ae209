"""Makes run.json: every figure of a run under a name that stays. docs/rehearsals/index.md explains each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ops.audit.checks import DISORDER, LOST, MISMATCH, TWICE, WAITING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ops.audit.checks import Report
    from ops.rehearse.faults import FaultMark
    from ops.rehearse.sampler import Sampler
    from ops.rehearse.series import Row, Series

FORMAT = 1
REQUESTS = ("save", "poll", "open section", "list sections", "sign on", "open stream", "stream")


class Audited(NamedTuple):
    """What the audit found. `report` None: it could not be made, and `why_not` says why."""

    report: Report | None
    why_not: str
    seconds: float
    recorded_age_ms: dict[str, float | None]
    lines: Sequence[str] = ()


def audit_of(audited: Audited) -> dict[str, Any]:
    """Return what run.json says of the audit."""
    report = audited.report
    if report is None:
        return {"audited": False, "why_not": audited.why_not, "lost": None, "duplicated": None, "out_of_order": None}
    return {
        "audited": True,
        "why_not": "",
        "holds": report.holds,
        "lost": report.total(LOST),
        "duplicated": report.total(TWICE),
        "out_of_order": report.total(DISORDER),
        "mismatch": report.total(MISMATCH),
        "waiting": report.total(WAITING),
        "sent": report.counts["sent"],
        "acknowledged": report.counts["acknowledged"],
        "held": report.counts["held"],
        "seconds": round(audited.seconds, 1),
        "lines": list(audited.lines),
    }


def measured(series: Series, rows: Sequence[Row], sampler: Sampler, teachers: int, duration_s: float) -> dict[str, Any]:
    """Return what the generator and the samples say."""
    whole = series.whole
    counts, requests = whole.counts, whole.histograms["request"]
    failed = sum(count for name, count in whole.errors.items() if not name.startswith("gave up"))
    offered = counts["offered"]
    return {
        "teachers_sent": int(max((row["teachers_wanted"] for row in rows), default=0)),
        "teachers_reached": int(max((row["teachers"] for row in rows), default=0)),
        "edits": {
            "offered": offered,
            "drafted": counts["drafted"],
            "recorded": counts["recorded"],
            "refused": counts["refused_edits"],
            "never_acknowledged": counts["never_acknowledged"],
            "unrecorded": series.unrecorded,
        },
        "edits_per_s": {
            "offered": round(offered / duration_s, 1),
            "drafted": round(counts["drafted"] / duration_s, 1),
            "offered_max": max((row["offered"] for row in rows), default=0),
        },
        "age_ms": {"drafted": whole.histograms["drafted"].summary(), "told": whole.histograms["told"].summary()},
        "request_ms": requests.summary(),
        "request_ms_by_name": {name: whole.requests[name].summary() for name in REQUESTS if name in whole.requests},
        "requests": counts["requests"],
        "requests_per_s": round(counts["requests"] / duration_s, 1),
        "requests_by_name": {name: counts[name] for name in REQUESTS if counts[name]},
        "failed_requests_percent": round(100 * failed / max(1, counts["requests"]), 4),
        "errors": dict(whole.errors.most_common()),
        "oldest_unrecorded_s_max": _most(rows, "oldest_unrecorded_s"),
        "journal_depth_max": _most(rows, "journal_depth"),
        "next_save_ms_max": _most(rows, "next_save_ms"),
        "streams_open_max": int(_most(rows, "streams") or 0),
        "drain_s": _drain_s(series, rows, duration_s),
        "generator": _generator(series, rows, teachers),
        "cost": _cost(sampler, counts["drafted"]),
    }


def _most(rows: Sequence[Row], name: str) -> float | None:
    return max((row[name] for row in rows if name in row), default=None)


def _drain_s(series: Series, rows: Sequence[Row], duration_s: float) -> float | None:
    """Return how long after the last typing everything was known to be recorded; None: it never was."""
    if not rows or series.unrecorded:
        return None
    after = [row["at"] for row in rows if row.get("unrecorded", 0)]
    return max(0.0, round(max(after, default=0) + 1 - duration_s, 1))


def _generator(series: Series, rows: Sequence[Row], teachers: int) -> dict[str, Any]:
    whole, cpu_of = series.whole, series.cpu_of
    lag = whole.histograms["lag"]
    seconds = [cpu for process in cpu_of.values() for cpu in process]
    gave_up = {name.partition(": ")[2]: n for name, n in whole.errors.items() if name.startswith("gave up: ")}
    return {
        "lag_ms_p50": lag.percentile_ms(50),
        "lag_ms_p99": lag.percentile_ms(99),
        "lag_ms_max": lag.summary()["max"],
        "cpu": round(sum(seconds) / max(1, len(seconds)), 3),
        "cpu_max": max(seconds, default=0.0),
        "processes": len(cpu_of),
        "ended": len(series.ended),
        "sockets": int(series.sockets_most),
        "teachers_per_socket": round(teachers / series.sockets_most, 1) if series.sockets_most else None,
        "socket_wait_ms_max": _most(rows, "socket_wait_ms"),
        "waiting_max": _most(rows, "waiting"),
        "dropped": whole.counts["dropped"],
        "gave_up": sum(gave_up.values()),
        "gave_up_why": sorted(gave_up),
    }


def _cost(sampler: Sampler, edits: int) -> dict[str, Any]:
    return {
        part: {
            "cpu_s": round(cpu_s, 2),
            "cpu_s_per_1000_edits": round(cpu_s * 1000 / edits, 4) if edits else None,
            "memory_mib_max": round(sampler.memory_mib_of.get(part, 0.0), 1),
        }
        for part, cpu_s in sorted(sampler.cpu_s_of.items())
    }


def faults_of(marks: Sequence[FaultMark], began: int) -> list[dict[str, Any]]:
    """Return the faults, in seconds after the beginning."""
    return [
        {
            "name": mark.name,
            "at_s": round(mark.began - began, 1),
            "until_s": round(mark.until - began, 1) if mark.until else None,
            "complaint": mark.complaint,
        }
        for mark in marks
    ]
