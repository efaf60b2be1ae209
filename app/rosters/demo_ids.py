"""The demo district's ids: sourcedIds that say what they are, and the ids of its edits."""

from __future__ import annotations

import hashlib
from uuid import UUID


def org_id(number: int) -> str:
    """Return the sourcedId of an org: 1 is the district."""
    return "demo-district" if number == 1 else f"demo-school-{number - 1}"


def session_id(number: int) -> str:
    """Return the sourcedId of an academic session."""
    return f"demo-session-{number}"


def course_id(number: int) -> str:
    """Return the sourcedId of a course."""
    return f"demo-course-{number}"


def person_id(username: str) -> str:
    """Return the sourcedId of a person."""
    return f"demo-{username}"


def section_id(number: int) -> str:
    """Return the sourcedId of a section."""
    return f"demo-section-{number}"


def enrollment_id(section: int, username: str) -> str:
    """Return the sourcedId of a person's enrollment in a section."""
    return f"demo-enrollment-{section}-{username}"


def category_id(number: int) -> str:
    """Return the sourcedId of a category."""
    return f"demo-category-{number}"


def line_item_id(number: int) -> str:
    """Return the sourcedId of a line item."""
    return f"demo-item-{number}"


def result_id(line_item: int, username: str) -> str:
    """Return the sourcedId of a student's result."""
    return f"demo-result-{line_item}-{username}"


def edit_id(sourced_id: str, kind: int, value: str) -> UUID:
    """Return an id for the first edit of a cell, the same on every machine (a UUID of version 8, as roster_edit_id)."""
    digest = bytearray(hashlib.sha256(f"{sourced_id}|{kind:d}|{value}".encode()).digest()[:16])
    digest[6] = digest[6] & 15 | 128
    digest[8] = digest[8] & 63 | 128
    return UUID(bytes=bytes(digest))
