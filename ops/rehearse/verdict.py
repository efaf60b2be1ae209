"""The verdict of a run: pass, fail or invalid, with the reasons in plain words, the worst first.

`invalid` says that nothing was shown: the generator was the limit, the load was not the one that was asked for, or
nobody could look whether anything was lost. It is never a kind of pass. What was lost fails a run in any case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ops.rehearse.slo import Judged

PASS, FAIL, INVALID = "pass", "fail", "invalid"
EXIT_OF = {PASS: 0, FAIL: 1, INVALID: 3}
LAG_MS_P99_MAX = 100.0
CPU_MAX, CPU_SHARE_MAX = 0.95, 0.1  # a process at its core's end in more than a tenth of the seconds
REACHED_MIN = 0.99
GAVE_UP_MAX = 0.01


class Verdict(NamedTuple):
    """What is said first."""

    name: str
    reasons: Sequence[str]

    def sentence(self, run: Mapping[str, Any]) -> str:
        """Return the first line of the report."""
        who = f"{run['teachers']:,} teachers, {run['edits']['offered']:,} edits in {run['duration_s']:,.0f} s"
        if self.name == PASS:
            held = "every objective held" if run.get("slo") else "everything recorded in the end"
            return f"Go: {who}; nothing lost, nothing twice, {held}."
        if self.name == FAIL:
            return f"No go: {self.reasons[0]} ({who})."
        return f"No verdict: {self.reasons[0]} ({who})."


def generator_limits(run: Mapping[str, Any], cpu_of: Mapping[int, Sequence[float]]) -> list[str]:
    """Return why the generator, and not the service, was the limit; empty where it was not."""
    generator, found = run["generator"], []
    lag = generator["lag_ms_p99"]
    if lag is None:
        found.append("the generator has measured nothing")
    elif lag > generator["late_ms_max"]:
        found.append(f"the generator was late: 1 in 100 of its timers by more than {lag:,.0f} ms")
    wanted = run["processes"]["generator"]
    if len(cpu_of) < wanted:
        found.append(f"only {len(cpu_of)} of {wanted} generator processes have reported")
    elif generator["ended"] < wanted:
        found.append(f"only {generator['ended']} of {wanted} generator processes came to their end")
    for process, seconds in sorted(cpu_of.items()):
        busy = sum(cpu > CPU_MAX for cpu in seconds)
        if busy > max(1, CPU_SHARE_MAX * len(seconds)):  # one alone is the start
            found.append(f"generator process {process} had its core full in {busy} of {len(seconds)} seconds")
    if run["teachers_sent"] < REACHED_MIN * run["teachers"]:
        found.append(f"the generator has sent only {run['teachers_sent']:,} of {run['teachers']:,} teachers")
    if generator["gave_up"] > GAVE_UP_MAX * run["teachers"]:
        found.append(
            f"{generator['gave_up']:,} times a teacher could not go on ({', '.join(generator['gave_up_why'])})"
        )
    if generator["dropped"]:
        found.append(f"{generator['dropped']:,} edits that were due were never typed")
    return found


def decide(run: Mapping[str, Any], judged: Sequence[Judged], broken: Sequence[str]) -> Verdict:
    """Return the verdict. `broken`: why the run itself went wrong, such as a generator that ended early."""
    audit = run["audit"]
    lost = [f"{audit[name]:,} {words}" for name, words in _LOSSES.items() if audit.get(name)]
    if lost:
        return Verdict(FAIL, lost)
    why_not = [*broken, *run["generator"]["reasons"]]
    if not audit["audited"]:
        why_not.append(f"it could not be audited: {audit['why_not']}")
    elif audit["acknowledged"] < run["edits"]["drafted"]:
        known, counted = audit["acknowledged"], run["edits"]["drafted"]
        why_not.append(
            f"the ledgers know of {known:,} acknowledged edits only, and the generator has counted {counted:,}"
        )
    if not run["edits"]["offered"] and not run["streams_open_max"]:
        why_not.append("nothing was typed")
    if why_not:
        return Verdict(INVALID, why_not)
    failures = [one.failure() for one in judged if not one.holds]
    # Under an overload that was asked for, opening gives way to saving: that is what such a run is to show. Where too
    # few get in, less than four times is offered, and the run is invalid (overload.py).
    if "overload" not in run and run["teachers_reached"] < REACHED_MIN * run["teachers_sent"]:
        failures.insert(
            0, f"only {run['teachers_reached']:,} of {run['teachers_sent']:,} teachers could open their section"
        )
    if (untold := run["edits"]["unrecorded"]) and audit.get("held") == 0 and audit["acknowledged"] == audit["sent"]:
        failures.append(
            f"{untold:,} edits are in the records, and their teachers had not been told so when time was up (--drain)"
        )
    elif untold:
        failures.insert(0, f"{untold:,} edits were not recorded in the end")
    failures += [f"{fault['name']}: {fault['complaint']}" for fault in run["faults"] if fault["complaint"]]
    return Verdict(FAIL, failures) if failures else Verdict(PASS, [])


_LOSSES = {
    "lost": "edits lost",
    "duplicated": "edits stored twice",
    "out_of_order": "edits stored out of order",
    "waiting": "entries did not leave the journal in time: they are held, not lost, and not recorded",
    "mismatch": "edits stored or told otherwise than they were",
}
