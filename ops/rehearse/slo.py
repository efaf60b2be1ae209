"""What a rehearsal has to hold: objectives with plain words, from a TOML file or as the design wants them.

    [slo]
    request_ms_p99 = 500
    drafted_age_ms_p99 = 7000

Loss is no objective: it fails a run whatever this file says.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from ops.processes import ServerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DRAFTED_BEYOND_WINDOW_MS = 2_000
LIMIT_MAX = 1e12


class Objective(NamedTuple):
    """`path`: where its figure stands in run.json. `missed`: what is said when it is not held.

    `is_floor`: the limit is the least, not the most.
    """

    path: tuple[str, ...]
    words: str
    unit: str
    missed: str
    is_floor: bool = False


OBJECTIVES: dict[str, Objective] = {
    "request_ms_p99": Objective(
        ("request_ms", "p99"), "99 of 100 requests are answered", "ms", "1 request in 100 took {value} or longer"
    ),
    "request_ms_p95": Objective(
        ("request_ms", "p95"), "95 of 100 requests are answered", "ms", "1 request in 20 took {value} or longer"
    ),
    "drafted_age_ms_p50": Objective(
        ("age_ms", "drafted", "p50"),
        "half of the edits are drafted",
        "ms",
        "half of the edits waited {value} or longer",
    ),
    "drafted_age_ms_p95": Objective(
        ("age_ms", "drafted", "p95"), "95 of 100 edits are drafted", "ms", "1 edit in 20 waited {value} to be drafted"
    ),
    "drafted_age_ms_p99": Objective(
        ("age_ms", "drafted", "p99"), "99 of 100 edits are drafted", "ms", "1 edit in 100 waited {value} to be drafted"
    ),
    "drafted_age_ms_max": Objective(
        ("age_ms", "drafted", "max"), "every edit is drafted", "ms", "an edit waited {value} to be drafted"
    ),
    "recorded_age_ms_p99": Objective(
        ("age_ms", "recorded", "p99"),
        "99 of 100 edits are recorded",
        "ms",
        "1 edit in 100 waited {value} to be recorded",
    ),
    "recorded_age_ms_max": Objective(
        ("age_ms", "recorded", "max"), "every edit is recorded", "ms", "an edit waited {value} to be recorded"
    ),
    "oldest_unrecorded_s_max": Objective(
        ("oldest_unrecorded_s_max",), "the oldest un-recorded edit", "s", "the journal held an edit for {value}"
    ),
    "drain_s": Objective(
        ("drain_s",),
        "all is recorded after the last typing",
        "s",
        "after the last typing it took {value} to record all",
    ),
    "failed_requests_percent_max": Objective(
        ("failed_requests_percent",), "requests that fail", "%", "{value} of the requests failed"
    ),
    "edits_per_s_min": Objective(
        ("edits_per_s", "drafted"), "edits that are saved", "edits/s", "only {value} were saved", is_floor=True
    ),
    "overload_throughput_percent_min": Objective(
        ("overload", "throughput_percent"),
        "edits that are saved under overload, of the most before it",
        "%",
        "under overload only {value} of the most before it were saved",
        is_floor=True,
    ),
    "overload_recovery_s_max": Objective(
        ("overload", "recovery_s"), "after the overload all is well", "s", "after the overload it took {value}"
    ),
    "streams_open_min": Objective(
        ("streams_open_max",), "streams of events that are open", "streams", "only {value} were open", is_floor=True
    ),
}


class SloError(ServerError):
    """The file cannot be used; the message says why."""


class Judged(NamedTuple):
    """One objective and what came of it. `value` None: there is no figure, so that it is not held."""

    name: str
    words: str
    limit: float
    unit: str
    value: float | None
    is_floor: bool

    @property
    def holds(self) -> bool:
        """Whether it is held."""
        if self.value is None:
            return False
        return self.value >= self.limit if self.is_floor else self.value <= self.limit

    def sentence(self) -> str:
        """Say it for a person."""
        bound = "at least" if self.is_floor else "at most"
        return f"{self.words}: {self._in_words(self.value)} ({bound} {self._in_words(self.limit)})"

    def failure(self) -> str:
        """Say what is wrong, for the first line."""
        if self.value is None:
            return f"there is no figure for {self.name}"
        bound = "wanted are" if self.is_floor else "the limit is"
        missed = OBJECTIVES[self.name].missed.format(value=self._in_words(self.value))
        return f"{missed}, {bound} {self._in_words(self.limit)}"

    def _in_words(self, value: float | None) -> str:
        return "no figure" if value is None else f"{value:,.{0 if abs(value) >= 100 else 2}f} {self.unit}"


def read_slo(path: Path) -> dict[str, float]:
    """Return the limits of a file; SloError names what is wrong in it."""
    try:
        found = tomllib.loads(path.read_text())
    except OSError as error:
        raise SloError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SloError(f"{path} is no TOML: {error}") from error
    limits = found.get("slo")
    if set(found) != {"slo"} or not isinstance(limits, dict) or not limits:
        raise SloError(f"{path}: one table is expected, [slo], with at least one limit")
    for name, limit in limits.items():
        if name not in OBJECTIVES:
            raise SloError(f"{path}: no such objective: {name} (there are: {', '.join(OBJECTIVES)})")
        is_number = isinstance(limit, int | float) and not isinstance(limit, bool)
        # Against `nan` and `inf` nothing is ever missed, or everything.
        if not is_number or not 0 <= limit <= LIMIT_MAX:
            raise SloError(f"{path}: {name}: {limit!r} is no limit")
    return {name: float(limit) for name, limit in limits.items()}


def default_slo(window_ms: float, streams: int, *, only_loss: bool, is_overload: bool = False) -> dict[str, float]:
    """Return the design's limits. `only_loss`: with faults, how slow is too slow is for a file to say."""
    if streams:
        return {"streams_open_min": streams * 0.99}
    if only_loss:
        return {}
    if is_overload:
        return {"overload_throughput_percent_min": 90, "overload_recovery_s_max": 30}
    return {
        "request_ms_p99": 500,
        "drafted_age_ms_p99": window_ms + DRAFTED_BEYOND_WINDOW_MS,
        "oldest_unrecorded_s_max": 5,
    }


def judge(limits: Mapping[str, float], run: Mapping[str, Any]) -> list[Judged]:
    """Return what came of each objective."""
    judged = []
    for name, limit in limits.items():
        objective = OBJECTIVES[name]
        value: Any = run
        for key in objective.path:
            value = value.get(key) if isinstance(value, dict) else None
        judged.append(Judged(name, objective.words, limit, objective.unit, value, objective.is_floor))
    return judged
