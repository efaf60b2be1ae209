"""What the roll weighs, compressed with gzip.

The goal for its scripts is 22 KB, and they are above it: what every page loads (Preact and signals, the outbox, the
section, the status line, the sign-in) weighs more than that before a page has a line of its own. So two limits hold
here: one on what the roll adds, with its words, and one on everything together, so that neither grows unseen.
"""

from __future__ import annotations

from tests.web.page_weight import scripts_of, style_of

ADDED_BYTES_MAX = 16 * 1_024
ALL_BYTES_MAX = 49 * 1_024
STYLE_BYTES_MAX = 8 * 1_024


def test_what_the_roll_adds_to_what_every_page_has() -> None:
    added = {name: weight for name, weight in scripts_of("attendance").items() if name not in scripts_of("home")}
    assert sum(added.values()) <= ADDED_BYTES_MAX, added


def test_everything_that_the_roll_loads() -> None:
    loaded = scripts_of("attendance")
    assert sum(loaded.values()) <= ALL_BYTES_MAX, loaded
    assert any(name.startswith("assets/attendance.") for name in loaded)


def test_its_style() -> None:
    assert style_of("attendance") <= STYLE_BYTES_MAX
