"""200 seeds without a violation, the same seed twice, and every planted bug found by an invariant that it breaks."""

from __future__ import annotations

import pytest

from tests.simulation.planted import BUGS, Bug
from tests.simulation.run import simulate

SEEDS = range(200)
SEEDS_FOR_A_BUG = 12


@pytest.mark.parametrize("first", range(SEEDS.start, SEEDS.stop, 20))
def test_nothing_is_violated_under_faults(first: int) -> None:
    violations = {seed: found for seed in range(first, first + 20) if (found := simulate(seed).violations)}
    assert not violations, "python -m tests.simulation --seed N --trace"


@pytest.mark.parametrize("seed", [0, 26, 58])
def test_a_seed_replays_exactly(seed: int) -> None:
    first, second = simulate(seed), simulate(seed)
    assert first.trace == second.trace
    assert first.digest == second.digest
    assert first.trace


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    for seed in range(bug.first, bug.first + SEEDS_FOR_A_BUG):
        outcome = simulate(seed, bug)
        if outcome.violations:
            assert {invariant for invariant, _ in outcome.violations} & bug.found_by
            return
    raise AssertionError("not found")


def test_every_part_has_a_planted_bug() -> None:
    assert {bug.part for bug in BUGS} == {"accept", "flush", "drain", "mode switch"}
