"""The verdict as JUnit XML, for a pipeline that collects such files: a case for each thing that has to hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from ops.rehearse.verdict import INVALID

if TYPE_CHECKING:
    from collections.abc import Mapping


# XML has no way to write these; a generator's last words may have colours.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_of(run: Mapping[str, Any]) -> str:
    """Return the file's text."""
    audit = run["audit"]
    cases: list[tuple[str, str | None]] = [
        ("the run is valid", "; ".join(run["reasons"]) if run["verdict"] == INVALID else None),
        ("the run was audited", None if audit["audited"] else audit["why_not"]),
    ]
    losses = ("lost", "duplicated", "out_of_order", "waiting", "mismatch")
    cases += [(f"edits: {name} 0", _loss(audit, name)) for name in losses]
    unrecorded = run["edits"]["unrecorded"]
    cases.append(("everything is recorded in the end", f"{unrecorded} are not" if unrecorded else None))
    cases += [(one["name"], None if one["holds"] else f"{one['value']} against {one['limit']}") for one in run["slo"]]
    if run["verdict"] == "fail" and not any(failure for _, failure in cases):
        cases.append(("nothing else went wrong", "; ".join(run["reasons"])))
    failures = sum(failure is not None for _, failure in cases)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    suite = quoteattr(f"rehearsal {run['profile']}")
    lines.append(f'<testsuite name={suite} tests="{len(cases)}" failures="{failures}" time="{run["duration_s"]:.0f}">')
    for name, failure in cases:
        head = f"  <testcase classname={suite} name={quoteattr(name)}"
        lines.append(f"{head}/>" if failure is None else f"{head}><failure message={quoteattr(failure)}/></testcase>")
    return _UNWRITABLE.sub("\ufffd", "\n".join([*lines, "</testsuite>", ""]))


def _loss(audit: Mapping[str, Any], name: str) -> str | None:
    """Return what is wrong: what nobody has looked at is not known to be well."""
    if not audit["audited"]:
        return "nobody has looked"
    return f"{audit[name]}" if audit.get(name) else None
