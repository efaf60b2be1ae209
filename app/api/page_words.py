"""Sentences for people, in their language: app/web/plain/words/<language>.json, and how numbers and times are said."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import msgspec
from markupsafe import Markup

from app.model.kinds import (
    AttendanceValue,
    CommentValue,
    RollTakenValue,
    ScoreValue,
    Value,
    ValueRejectedError,
    parse_value,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LANGUAGES: Final = ("en", "es")
_FOLDER = Path(__file__).parent.parent / "web" / "plain" / "words"
_COMMENT_SHOWN_MAX: Final = 200

Entry = str | dict[str, str]


class Words:
    """One language. Parameters are escaped, the sentences themselves are ours."""

    def __init__(self, language: str, entries: Mapping[str, Entry]) -> None:
        self.language = language
        self.entries = entries
        self._days = str(entries["date.days"]).split("|")
        self._months = str(entries["date.months"]).split("|")

    def __call__(self, key: str, **params: Any) -> Markup:
        """Return a sentence; where it has a plural, by `count`."""
        entry = self.entries[key]
        text = entry if isinstance(entry, str) else entry["one" if params["count"] == 1 else "other"]
        return Markup(text).format_map(defaultdict(lambda: "…", params))  # noqa: S704 -- our own text; parameters are escaped

    def of_code(self, code: str, params: Mapping[str, Any] | None = None) -> Markup:
        """Return the sentence for an error, a refusal or an outcome."""
        params = dict(params or {})
        variant = f"code.{code}.{params.get('reason')}"
        key = variant if variant in self.entries else f"code.{code}"
        return self(key, **params) if key in self.entries else self("code.unknown", code=code)

    def day(self, day: dt.date, *, with_year: bool = False) -> Markup:
        """Return a day with its weekday."""
        key = "date.day_year" if with_year else "date.day"
        month, weekday = self._months[day.month - 1], self._days[day.weekday()]
        return self(key, weekday=weekday, month=month, day=day.day, year=day.year)

    def date(self, day: dt.date) -> Markup:
        """Return a date."""
        return self("date.short", month=self._months[day.month - 1], day=day.day, year=day.year)

    def clock(self, moment: dt.datetime | dt.time, *, with_seconds: bool = False) -> Markup:
        """Return a time of day; with seconds and the time zone for receipts."""
        return self(
            "date.time_of_day_seconds" if with_seconds else "date.time_of_day",
            hour12=moment.hour % 12 or 12,
            minute=f"{moment.minute:02d}",
            second=f"{moment.second:02d}",
            half=self("date.pm" if moment.hour >= 12 else "date.am"),
            zone=moment.tzname() or "",
        )

    def at(self, ms: int, time_zone: str, now_ms: int | None = None) -> Markup:
        """Return "at 2:41 pm" in the school's time zone, with the day unless it is that of `now_ms`."""
        moment = local(ms, time_zone)
        said = self.at_clock(moment)
        if now_ms is None or local(now_ms, time_zone).date() == moment.date():
            return said
        return self("date.at_on_day", at=said, day=self.day(moment.date()))

    def at_clock(self, moment: dt.datetime | dt.time) -> Markup:
        """Return "at 2:41 pm"."""
        return self("date.at_one" if moment.hour % 12 == 1 else "date.at", time=self.clock(moment))

    def flags(self, status: Sequence[str]) -> Markup:
        """Return flags beside a score, as they stand in a sentence."""
        return Markup(", ").join(self(f"flag.{flag}").lower() for flag in status)

    def mark_details(self, mark: AttendanceValue) -> Markup | None:
        """Return what stands beside an attendance mark, if anything does."""
        parts = []
        if mark.arrival_time:
            parts.append(self("value.arrived", at=self.at_clock(dt.time.fromisoformat(mark.arrival_time))))
        if mark.note:
            parts.append(self("value.comment", text=mark.note))
        return Markup(", ").join(parts) if parts else None

    def value(self, kind: int, raw: bytes) -> Markup:
        """Return what a cell holds, in words."""
        if not raw:
            return self(_EMPTY[kind]) if kind in _EMPTY else self("value.unreadable")
        try:
            return self._said(parse_value(kind, raw))
        except ValueRejectedError:
            return self("value.unreadable")

    def _said(self, value: Value) -> Markup:
        if isinstance(value, ScoreValue):
            parts = [Markup.escape(value.score)] if value.score is not None else []
            parts += [self.flags(value.status)] if value.status else []
            return Markup(", ").join(parts) if parts else self("value.no_score")
        if isinstance(value, CommentValue):
            text = value.text if len(value.text) <= _COMMENT_SHOWN_MAX else value.text[:_COMMENT_SHOWN_MAX] + "…"
            return self("value.comment", text=text) if text else self("value.no_comment")
        if isinstance(value, AttendanceValue):
            category = self(f"category.{value.category}") if value.category else self("value.no_mark")
            details = self.mark_details(value)
            return category + ", " + details if details else category
        if isinstance(value, RollTakenValue):
            return self("value.roll_taken" if value.taken else "value.roll_not_taken")
        return self("value.unreadable")


_EMPTY: Final = {1: "value.no_score", 2: "value.no_comment", 3: "value.no_mark", 5: "value.roll_not_taken"}


def local(ms: int, time_zone: str) -> dt.datetime:
    """Return a moment where the school is."""
    return dt.datetime.fromtimestamp(ms / 1000, ZoneInfo(time_zone))


def _read(language: str) -> Words:
    raw = (_FOLDER / f"{language}.json").read_bytes()
    return Words(language, msgspec.json.decode(raw, type=dict[str, Entry]))


WORDS: Final[Mapping[str, Words]] = {language: _read(language) for language in LANGUAGES}


def choose_language(asked: str | None, kept: str | None, accept_language: str) -> str:
    """Return the language: asked for in the address, kept in the cookie, else the browser's first that we speak."""
    for wish in (asked, kept):
        if wish in LANGUAGES:
            return wish
    return max(LANGUAGES, key=lambda language: _weight(language, accept_language))


def _weight(language: str, accept_language: str) -> float:
    """Return how much a browser wants a language; English wins a draw, being the first in the list."""
    best = 0.0
    for part in accept_language.split(","):
        tag, _, quality = part.strip().lower().partition(";")
        if tag.partition("-")[0] == language:
            try:
                best = max(best, float(quality.partition("=")[2] or 1))
            except ValueError:
                continue
    return best
