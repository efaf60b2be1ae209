"""The history of a cell, edit by edit, as answers show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Raw

from app.model.written import dashed, rfc3339

if TYPE_CHECKING:
    from app.drafts.codec import Head
    from app.records.pool import Row

_STATE = {"A": "recorded", "C": "conflict", "S": "conflict", "R": "rejected", "P": "drafted"}


def history_row(row: Row) -> dict[str, Any]:
    """Return an edit of the history as an answer shows it."""
    return {
        "edit_id": str(row["edit_id"]),
        "base": str(row["base_id"]) if row["base_id"] else None,
        "state": _STATE[row["status"]],
        "is_open": row["status"] == "C",
        "cell_version": row["cell_version"],
        "code": row["code"],
        "value": Raw((row["value"] or "null").encode()),
        "author_id": row["author_id"],
        "author_name": row["author_name"],
        "entered_at": row["entered_at"],
        "received_at": row["received_at"],
        "recorded_at": row["recorded_at"],
        "path": {"j": "journal", "d": "direct", "i": "import"}[row["path"]],
        "resolves": [str(i) for i in row["resolves"] or ()],
    }


def drafted_row(head: Head, name: str | None) -> dict[str, Any]:
    """Return a drafted head in the same form; `name` is its author's."""
    return {
        "edit_id": dashed(head.edit_id),
        "state": "drafted",
        "cell_version": head.cell_version or None,
        "value": Raw(head.value),
        "author_id": head.author_id,
        "author_name": name,
        "entered_at": rfc3339(head.entered_ms),
    }
