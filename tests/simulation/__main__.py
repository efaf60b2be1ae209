"""`python -m tests.simulation --seeds 10000`: many seeds on all cores; `--seed N --trace`: one of them, in full."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from multiprocessing import Pool

from tests.simulation.planted import BUGS
from tests.simulation.run import Outcome, simulate

CHUNK = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--trace", action="store_true", help="with --seed: print what happened")
    parser.add_argument("--bug", choices=[bug.name for bug in BUGS], help="plant this bug")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    bug = next((bug for bug in BUGS if bug.name == options.bug), None)
    if options.seed is not None:
        outcome = simulate(options.seed, bug)
        if options.trace:
            _say("\n".join(outcome.trace))
        _report(outcome)
        return 1 if outcome.violations else 0
    return _many(range(options.first, options.first + options.seeds), options.bug, options.processes)


def _one(task: tuple[int, str | None]) -> Outcome:
    seed, name = task
    outcome = simulate(seed, next((bug for bug in BUGS if bug.name == name), None))
    return outcome._replace(trace=[])


def _many(seeds: range, bug: str | None, processes: int) -> int:
    began = time.monotonic()
    edits = answers = failed = 0
    simulated_s = 0.0
    with Pool(processes) as pool:
        for outcome in pool.imap_unordered(_one, [(seed, bug) for seed in seeds], CHUNK):
            edits += outcome.edits
            answers += outcome.answers
            simulated_s += outcome.simulated_s
            if outcome.violations:
                failed += 1
                _report(outcome)
    took_s = time.monotonic() - began
    _say(
        f"{len(seeds)} seeds, {failed} with violations, in {took_s:.0f} s ({len(seeds) / took_s:.1f} seeds/s,"
        f" {60 * len(seeds) / took_s:.0f}/min): {simulated_s / 3600:.1f} simulated hours, {edits} edits,"
        f" {answers} answers"
    )
    return 1 if failed else 0


def _report(outcome: Outcome) -> None:
    _say(f"seed {outcome.seed} (trace {outcome.digest}): {len(outcome.violations)} violations")
    for invariant, what in outcome.violations[:5]:
        _say(f"  {invariant}: {what[:300]}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.flags.hash_randomization:  # the order of sets of texts and bytes is part of a schedule
        command = ["env", "PYTHONHASHSEED=0", sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        sys.exit(subprocess.call(command))
    sys.exit(main())
