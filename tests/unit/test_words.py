"""The words of the plain page: both languages whole, and a sentence for everything that can be said to a person."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.api.page_receipt import STATES
from app.api.page_words import LANGUAGES, WORDS, choose_language
from app.errors import InkfastError
from app.model.kinds import (
    AttendanceCategory,
    AttendanceValue,
    CommentValue,
    Kind,
    RollTakenValue,
    ScoreStatus,
    ScoreValue,
    Value,
    canonical,
)
from app.model.plain_fields import CATEGORIES, FLAGS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ZONE = "America/Los_Angeles"
PLACEHOLDER = re.compile(r"\{(\w+)\}")
EN, ES = WORDS["en"], WORDS["es"]


def error_classes(root: type[InkfastError] = InkfastError) -> Iterator[type[InkfastError]]:
    yield root
    for child in root.__subclasses__():
        yield from error_classes(child)


def refusal_codes() -> set[str]:
    """Every code in the source that a refusal, a quarantine, or a text that is not understood can carry."""
    codes = {"rejected", "quarantined"}
    for pattern, folders in (
        (r"(?:ValueRejectedError|TypedTextError)\(\s*\"(\w+)\"", ("app", "workers")),
        (r"Refusal\(\s*\"(\w+)\"", ("workers",)),
        (r"'(\w+)'", ()),
    ):
        for folder in folders:
            for file in (ROOT / folder).rglob("*.py"):
                codes |= set(re.findall(pattern, file.read_text()))
    migration = (ROOT / "app/records/migrations/20261101000002_create_edit_path.sql").read_text()
    listed = re.search(r"code text NOT NULL,\s*-- (.*)", migration)
    assert listed
    return codes | set(re.findall(r"'(\w+)'", listed[1]))


def texts(language: str) -> Iterator[tuple[str, str]]:
    for key, entry in WORDS[language].entries.items():
        yield from ((key, text) for text in ([entry] if isinstance(entry, str) else entry.values()))


def test_both_languages_have_the_same_keys_in_the_same_order() -> None:
    assert list(EN.entries) == list(ES.entries)


def test_both_languages_have_plurals_in_the_same_places() -> None:
    for key, entry in EN.entries.items():
        other = ES.entries[key]
        assert type(entry) is type(other), key
        if isinstance(entry, dict) and isinstance(other, dict):
            assert set(entry) == set(other) == {"one", "other"}, key


def test_both_languages_fill_in_the_same_parameters() -> None:
    # Dates are put together differently, and some times are said with their preposition.
    for key in EN.entries:
        if not key.startswith("date."):
            said = [{p for k, text in texts(lang) if k == key for p in PLACEHOLDER.findall(text)} for lang in LANGUAGES]
            assert said[0] == said[1], key


def test_nothing_is_left_in_the_other_language() -> None:
    same = {
        key
        for key, entry in EN.entries.items()
        if entry == ES.entries[key] and PLACEHOLDER.sub("", str(entry)).strip(" ,.·:“”")
    }
    assert same <= {"title.error"}


@pytest.mark.parametrize(
    "code", sorted({cls.code for cls in error_classes()} | {"method_not_allowed"} | refusal_codes())
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_a_sentence(language: str, code: str) -> None:
    sentence = WORDS[language].of_code(code)
    assert f"code.{code}" in WORDS[language].entries
    assert sentence.endswith(".")
    assert code not in sentence


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_registry_has_a_name(language: str) -> None:
    words = WORDS[language]
    for flag in (*ScoreStatus.__args__, *FLAGS):
        assert words(f"flag.{flag}")
    for category in (*AttendanceCategory.__args__, *CATEGORIES):
        assert words(f"category.{category}")
    for state in STATES:
        assert words(f"receipt.{state}")
        assert words(f"receipt.{state}.means")


def test_every_sentence_that_the_code_asks_for_exists_and_none_is_left_over() -> None:
    sources = [
        *(ROOT / "app/api").glob("page*.py"),
        ROOT / "app/api/web_assets.py",
        *(ROOT / "app/web/plain/templates").glob("*.html"),
    ]
    text = "\n".join(file.read_text() for file in sources)
    asked = set(re.findall(r"[\"']([a-z_]+(?:\.[a-z_0-9]+)+)[\"']", text))
    built = ("code.", "flag.", "category.", "receipt.", "problem.", "date.")
    unused = {key for key in EN.entries if key not in asked and not key.startswith(built)}
    assert not unused
    groups = {key.partition(".")[0] for key in EN.entries}
    missing = {key for key in asked - set(EN.entries) if key.partition(".")[0] in groups}
    assert not {key for key in missing if not key.endswith((".html", ".css", ".svg"))}


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)
        assert not attrs


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_hold_no_markup_but_bold(language: str) -> None:
    tags = Tags()
    for _, text in texts(language):
        tags.feed(text)
        assert "&" not in text
    assert tags.seen <= {"b"}


def test_parameters_are_escaped() -> None:
    assert EN.of_code("score_not_a_number", {"typed": "<b>&"}).startswith("“&lt;b&gt;&amp;” is not")
    assert EN("nav.signed_in_as", name="<i>") == "Signed in as &lt;i&gt;."


def test_a_missing_parameter_breaks_no_page() -> None:
    assert EN.of_code("score_out_of_range", {"max": "20"}) == "The score has to be from … to 20."
    assert EN.of_code("made_up_tomorrow") == "The server refused this (made_up_tomorrow)."


@pytest.mark.parametrize(
    ("value", "english", "spanish"),
    [
        (ScoreValue("17.5"), "17.5", "17.5"),
        (ScoreValue("16", ("late",)), "16, late", "16, tarde"),
        (ScoreValue(None, ("exempt",)), "exempt", "exento"),
        (ScoreValue(), "no score", "sin calificación"),
        (CommentValue("Good"), "“Good”", "«Good»"),
        (CommentValue(""), "no comment", "sin comentario"),
        (AttendanceValue("tardy", "08:07", "bus"), "Tardy, arrived at 8:07 am, “bus”",
         "Tarde, llegó a las 8:07 a.\u00a0m., «bus»"),
        (AttendanceValue("present", "13:05"), "Present, arrived at 1:05 pm", "Presente, llegó a la 1:05 p.\u00a0m."),
        (AttendanceValue(None), "no mark", "sin marca"),
        (RollTakenValue(taken=True), "roll taken", "se pasó lista"),
    ],
)  # fmt: skip
def test_values_in_words(value: Value, english: str, spanish: str) -> None:
    kind = {ScoreValue: 1, CommentValue: 2, AttendanceValue: 3, RollTakenValue: 5}[type(value)]
    assert EN.value(kind, canonical(value)) == english
    assert ES.value(kind, canonical(value)) == spanish


def test_what_cannot_be_read_is_said_to_be_so() -> None:
    assert EN.value(Kind.SCORE, b'{"grade": 1}') == "a value that this page cannot show"
    assert EN.value(Kind.LINE_ITEM, b"") == "a value that this page cannot show"


def test_times_are_said_where_the_school_is() -> None:
    ms = 1_762_464_067_000  # 2025-11-06 21:21:07 UTC
    assert EN.at(ms, ZONE) == "at 1:21 pm"
    assert ES.at(ms, ZONE) == "a la 1:21 p.\u00a0m."
    assert EN.at(ms, ZONE, ms + 20 * 3_600_000) == "at 1:21 pm on Thursday, November 6"
    assert ES.at(ms, ZONE, ms + 20 * 3_600_000) == "el jueves 6 de noviembre a la 1:21 p.\u00a0m."
    assert EN.day(dt.date(2026, 11, 6), with_year=True) == "Friday, November 6, 2026"
    assert EN.clock(dt.time(0, 5)) == "12:05 am"


@pytest.mark.parametrize(
    ("asked", "kept", "accepted", "language"),
    [
        (None, None, "", "en"),
        (None, None, "es-MX,es;q=0.9,en;q=0.5", "es"),
        (None, None, "fr, es;q=0.4, en;q=0.3", "es"),
        (None, None, "en-US,en;q=0.9,es;q=0.8", "en"),
        (None, None, "es;q=, en;q=x", "es"),
        (None, "es", "en", "es"),
        ("en", "es", "es", "en"),
        ("de", None, "es", "es"),
    ],
)
def test_the_language(asked: str | None, kept: str | None, accepted: str, language: str) -> None:
    assert choose_language(asked, kept, accepted) == language
