"""Parsers of single fields. Each returns a value ready for its column, or raises FieldError naming what is wrong.

They are called tens of millions of times in one import: what repeats (dates, words, flags) is looked up, not parsed.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING

from app.rosters.problems import FieldError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ID_CHARS_MAX = 255
TEXT_CHARS_MAX = 2_000
YEARS = range(1900, 2200)
KEEP = "keep"

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,2})?", re.ASCII)
# The form in which the wire and the journal carry a score (app/model/kinds.py).
_SCORE = re.compile(r"-?[0-9]{1,6}(\.[0-9]{1,4})?")


def identifier(text: str) -> str:
    """Read a sourcedId: not longer than the standard allows."""
    text = text.strip()
    if len(text) > ID_CHARS_MAX:
        raise FieldError(f"{shown(text)} is longer than {ID_CHARS_MAX} characters")
    return text


def identifiers(text: str) -> list[str]:
    """Read a list of sourcedIds, in one field with commas between them."""
    return [identifier(part) for part in text.split(",") if part.strip()]


def words(text: str) -> str:
    """Read any text of bearable length."""
    if len(text) > TEXT_CHARS_MAX:
        raise FieldError(f"has {len(text):,} characters; the limit is {TEXT_CHARS_MAX:,}")
    return text


@lru_cache(maxsize=8_192)
def iso_date(text: str) -> dt.date:
    """Read a calendar day, yyyy-mm-dd."""
    if _DATE.fullmatch(text.strip()):
        try:
            return dt.date.fromisoformat(text.strip())
        except ValueError:
            pass
    raise FieldError(f"{shown(text)} is not a date (yyyy-mm-dd)")


@lru_cache(maxsize=8_192)
def timestamp(text: str) -> dt.datetime:
    """Read a moment, as ISO 8601 writes it; without a zone it is taken as UTC."""
    try:
        moment = dt.datetime.fromisoformat(text.strip())
        return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        raise FieldError(f"{shown(text)} is not a date and time (2026-11-06T14:03:00.000Z)") from None


@lru_cache(maxsize=256)
def boolean(text: str) -> bool:
    """Read true or false, in any case of letters."""
    match text.strip().lower():
        case "true":
            return True
        case "false":
            return False
    raise FieldError(f"{shown(text)} is neither true nor false")


@lru_cache(maxsize=256)
def year(text: str) -> int:
    """Read the year in which a school year ends."""
    if text.strip().isascii() and text.strip().isdigit() and int(text) in YEARS:
        return int(text)
    raise FieldError(f"{shown(text)} is not a year (four digits)")


@lru_cache(maxsize=4_096)
def score(text: str) -> str:
    """Read a number as a score is written: no exponent, no sign for plus, digits as they were typed."""
    text = text.strip()
    if _SCORE.fullmatch(text):
        return text
    if not _DECIMAL.fullmatch(text):
        raise FieldError(f"{shown(text)} is not a number")
    try:
        number = f"{Decimal(text):f}"
    except InvalidOperation:  # pragma: no cover -- the pattern lets nothing through that Decimal refuses
        raise FieldError(f"{shown(text)} is not a number") from None
    whole, _, fraction = number.partition(".")
    fraction = fraction if len(fraction) <= 4 else fraction.rstrip("0")
    number = f"{whole}.{fraction}" if fraction else whole
    if not _SCORE.fullmatch(number):
        raise FieldError(f"{shown(text)} has more than 6 digits before or 4 after the decimal point")
    return number


def one_of(vocabulary: Mapping[str, str], *, extension: str | None = None) -> Callable[[str], str]:
    """Make a parser for words of a list, in any case of letters.

    An `ext:` word of the sender's own becomes `extension` (KEEP: itself); without that it is refused.
    """
    by_lower = {word.lower(): meaning for word, meaning in vocabulary.items()}

    @lru_cache(maxsize=256)
    def parse(text: str) -> str:
        word = text.strip()
        if word.lower() in by_lower:
            return by_lower[word.lower()]
        if extension is not None and word.lower().startswith("ext:") and len(word) <= ID_CHARS_MAX:
            return word if extension == KEEP else extension
        raise FieldError(f"{shown(text)} is not one of: {', '.join(vocabulary)}")

    return parse


def same(*vocabulary: str) -> dict[str, str]:
    """Return a vocabulary in which every word means itself."""
    return {word: word for word in vocabulary}
