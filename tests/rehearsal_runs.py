"""What `inkfast rehearse` says of a run in which everything was well, and the same with one thing changed."""

from __future__ import annotations

import copy
from typing import Any

from loadtests.rehearsal.histogram import Histogram

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
        | {
            "processes": 1,
            "ended": 1,
            "sockets": 100,
            "teachers_per_socket": 1.0,
            "socket_wait_ms_max": 0.0,
            "waiting_max": 0,
        }
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
