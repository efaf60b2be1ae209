"""Reading what a person typed into a box of the plain page: kindly, and never guessing at a grade.

White space, a decimal comma, full-width digits, a fraction of the column's own maximum and the entry codes of the
legend are understood. What could mean two numbers, or none, is refused with a code; the page keeps the typed text.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import NamedTuple

SCORE_CHARS_MAX = 40
_NUMBER = re.compile(r"(?P<sign>-?)(?P<whole>[0-9]*)(?:(?P<mark>[.,])(?P<part>[0-9]*))?")
_TYPED = re.compile(r"(?P<number>[-0-9.,]*)(?:\s*/\s*(?P<of>[0-9.,]+))?\s*(?P<codes>[a-z]{2}(?:\s+[a-z]{2})*)?")
_TIME = re.compile(r"(?P<hour>[0-9]{1,2})[:.h](?P<minute>[0-9]{2})(?::[0-9]{2})?\s*(?P<half>[ap])?\.?\s*(?:m\.?)?")
_PLAIN_MARKS = {0x2212: "-", 0xFF0D: "-", 0xFF0E: ".", 0xFF0C: ",", 0xFF0F: "/", 0xFF1A: ":"}
# English and Spanish codes side by side: exempt / exento, missing / falta, late / tarde.
_STATUS_OF_CODE = {
    "ex": "exempt",
    "mi": "missing",
    "fa": "missing",
    "la": "late",
    "ta": "late",
}


class TypedTextError(ValueError):
    """The text cannot be understood; `code` and `params` make a sentence, and the text is kept in its box."""

    def __init__(self, code: str, **params: str) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


class TypedScore(NamedTuple):
    """A score as it is stored, and the flags typed behind it."""

    score: str | None
    statuses: frozenset[str]


def read_score(text: str, maximum: str) -> TypedScore:
    """Return the score and the flags of a text like `17,5`, ` 18 `, `17/20`, `ex` or `16 la`; empty text is no score.

    Raises TypedTextError for everything else: letters, percentages, another maximum, a comma before three digits.
    """
    plain = _plain(text)
    if not plain:
        return TypedScore(None, frozenset())
    typed = _TYPED.fullmatch(plain) if len(plain) <= SCORE_CHARS_MAX else None
    if typed is None:
        raise TypedTextError("score_not_a_number", typed=text.strip()[:SCORE_CHARS_MAX])
    statuses = set()
    for code in (typed["codes"] or "").split():
        if code not in _STATUS_OF_CODE:
            raise TypedTextError("score_not_a_number", typed=text.strip())
        statuses.add(_STATUS_OF_CODE[code])
    score = _number(typed["number"], text) if typed["number"] else None
    if typed["of"]:
        if score is None:
            raise TypedTextError("score_not_a_number", typed=text.strip())
        if Decimal(_number(typed["of"], text)) != Decimal(maximum):
            raise TypedTextError("score_of_another_maximum", typed=text.strip(), max=maximum)
    return TypedScore(score, frozenset(statuses))


def _plain(text: str) -> str:
    """Return the text with plain digits, signs and single spaces; a raised 2 is no digit, for 1² is not twelve."""
    digits = (str(unicodedata.decimal(c)) if unicodedata.category(c) == "Nd" else c for c in text)
    return " ".join("".join(digits).translate(_PLAIN_MARKS).lower().split())


def _number(digits: str, text: str) -> str:
    """Return a decimal string with a point, without needless zeros in front."""
    found = _NUMBER.fullmatch(digits)
    if found is None or not (found["whole"] or found["part"]):
        raise TypedTextError("score_not_a_number", typed=text.strip())
    whole, part = found["whole"].lstrip("0") or "0", found["part"] or ""
    if found["mark"] == "," and len(part) == 3:
        # 1,000 is a thousand to one reader and one to another.
        raise TypedTextError("score_comma_is_ambiguous", typed=text.strip())
    if len(whole) > 6 or len(part) > 4:
        raise TypedTextError("score_too_long", typed=text.strip())
    return f"{found['sign']}{whole}{'.' + part if part else ''}"


def read_time(text: str) -> str | None:
    """Return `HH:MM` for `8:07`, `08.07`, `8:07 am` or `1:30 p. m.`; None for empty text; else raise TypedTextError."""
    plain = _plain(text)
    if not plain:
        return None
    found = _TIME.fullmatch(plain)
    if found is None:
        raise TypedTextError("arrival_time_not_a_time", typed=text.strip()[:SCORE_CHARS_MAX])
    hour, minute, half = int(found["hour"]), int(found["minute"]), found["half"]
    if half:
        if not 1 <= hour <= 12:
            raise TypedTextError("arrival_time_not_a_time", typed=text.strip())
        hour = hour % 12 + (12 if half == "p" else 0)
    if hour > 23 or minute > 59:
        raise TypedTextError("arrival_time_not_a_time", typed=text.strip())
    return f"{hour:02d}:{minute:02d}"


def read_words(text: str, chars_max: int) -> str:
    """Return a comment or a note with the line ends that everybody uses and no space at its ends."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").strip()
    if len(plain) > chars_max:
        raise TypedTextError("text_too_long", max=str(chars_max), length=str(len(plain)))
    return plain
