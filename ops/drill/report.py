"""The result of drills: a row each, as a table for a person and as a list for a program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

COLUMNS = ("name", "acknowledged", "lost", "duplicated", "out_of_order", "stall_s", "drain_s", "passed")


class Row(NamedTuple):
    """What became of the load while one thing was broken. `complaints`: why it did not pass, in words."""

    name: str
    acknowledged: int
    lost: int
    duplicated: int
    out_of_order: int
    stall_s: float
    drain_s: float
    complaints: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the promise was kept, within the bound of this drill. A drill without load shows nothing."""
        broken = self.lost + self.duplicated + self.out_of_order
        return not broken and not self.complaints and self.acknowledged > 0

    def as_json(self) -> dict[str, Any]:
        """Return the row for a program."""
        return {
            "name": self.name,
            "acknowledged": self.acknowledged,
            "lost": self.lost,
            "duplicated": self.duplicated,
            "out_of_order": self.out_of_order,
            "stall_s": round(self.stall_s, 2),
            "drain_s": round(self.drain_s, 2),
            "passed": self.passed,
        }


def markdown(rows: Sequence[Row], not_run: Mapping[str, str], command: str) -> str:
    """Return the table with its command, what was not run and why, and what did not pass and why."""
    heads = [name.replace("_s", " (s)").replace("_", " ") for name in COLUMNS]
    lines = [f"`{command}`", "", f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(COLUMNS) - 2) + "---|"]
    for row in rows:
        values = row.as_json() | {"stall_s": f"{row.stall_s:.2f}", "drain_s": f"{row.drain_s:.2f}"}
        values["passed"] = "yes" if row.passed else "**no**"
        lines.append("| " + " | ".join(str(values[name]) for name in COLUMNS) + " |")
    lines += ["", verdict(rows)]
    said = [f"- {row.name}: {complaint}" for row in rows for complaint in row.complaints]
    if said:
        lines += ["", "Did not pass:", "", *said]
    if not_run:
        lines += ["", "Not run on this machine:", "", *(f"- {name}: {why}" for name, why in not_run.items())]
    return "\n".join(lines) + "\n"


def verdict(rows: Sequence[Row]) -> str:
    """Return one sentence about all rows."""
    acknowledged = sum(row.acknowledged for row in rows)
    wrong = sum(row.lost + row.duplicated + row.out_of_order for row in rows)
    passed = sum(row.passed for row in rows)
    found = "none lost, none twice, none out of order" if not wrong else "THE PROMISE WAS BROKEN"
    return f"{passed} of {len(rows)} drills passed; {acknowledged} acknowledged edits: {found}."


def write_report(out: Path, rows: Sequence[Row], not_run: Mapping[str, str], command: str) -> None:
    """Write drills.md and drills.json into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "drills.md").write_text(markdown(rows, not_run, command))
    (out / "drills.json").write_text(json.dumps([row.as_json() for row in rows], indent=2) + "\n")
