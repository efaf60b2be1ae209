"""Requests as clients send them: what is read, and what is refused as a whole."""

from __future__ import annotations

import json
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.edits import EDITS_PER_SAVE_MAX, SEQ_MAX, decode_save_request


def edit(**over: Any) -> dict[str, Any]:
    return {
        "edit_id": str(uuid.uuid4()),
        "seq": 1,
        "kind": "comment",
        "item": 7001,
        "student": 101,
        "base": None,
        "value": {"text": "well done"},
        "entered_at": "2026-11-06T14:03:21.120-08:00",
    } | over


def body(*edits: dict[str, Any], **over: Any) -> dict[str, Any]:
    client = str(uuid.uuid4())
    return {"client_id": client, "sent_at": "2026-11-06T14:03:24Z", "edits": list(edits)} | over


def decode(request: dict[str, Any]) -> Any:
    return decode_save_request(json.dumps(request).encode())


def test_a_request_is_read_and_its_values_stay_bytes() -> None:
    request = decode(body(edit(value={"text": "a"}), exceptions_seen_seq=3, something_new=True))
    assert request.exceptions_seen_seq == 3
    assert bytes(request.edits[0].value) == b'{"text": "a"}'
    assert request.edits[0].entered_at.utcoffset() is not None
    assert decode(body()).edits == ()


@pytest.mark.parametrize(
    "over",
    [
        {"seq": 0},
        {"seq": SEQ_MAX + 1},
        {"seq": "1"},
        {"kind": "grade"},
        {"item": -1},
        {"item": 2**32},
        {"student": 2**32},
        {"edit_id": "0199"},
        {"base": ""},
        {"entered_at": "2026-11-06T14:03:21"},
        {"entered_at": 1},
        {"resolves": [str(uuid.uuid4())] * 21},
    ],
)
def test_an_edit_of_the_wrong_form_refuses_the_request(over: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(body(edit(**over)))


@pytest.mark.parametrize("field", ["edit_id", "seq", "kind", "item", "student", "base", "value", "entered_at"])
def test_a_field_that_is_missing_refuses_the_request(field: str) -> None:
    found = edit()
    del found[field]
    with pytest.raises(msgspec.ValidationError, match=field):
        decode(body(found))


def test_more_edits_than_a_save_takes_refuse_the_request() -> None:
    assert len(decode(body(*[edit()] * EDITS_PER_SAVE_MAX)).edits) == EDITS_PER_SAVE_MAX
    with pytest.raises(msgspec.ValidationError):
        decode(body(*[edit()] * (EDITS_PER_SAVE_MAX + 1)))


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (r"cut \ud83d", "cut \ufffd"),
        (r"\udc4f cut", "\ufffd cut"),
        (r"whole \ud83d\udc4f", "whole 👏"),
        (r"\ud83d\ud83d\udc4f", "\ufffd👏"),
        (r"\uD83D!", "\ufffd!"),
        (r"no escape: \\ud83d, one: \ud83d", "no escape: \\ud83d, one: \ufffd"),
        (r"\u00e9\n\"\ud83d\"", 'é\n"\ufffd"'),
    ],
)
def test_half_of_an_emoji_does_not_hold_up_everything_else(typed: str, kept: str) -> None:
    raw = json.dumps(body(edit(value={"text": "HERE"}))).replace("HERE", typed).encode()
    assert json.loads(bytes(decode_save_request(raw).edits[0].value)) == {"text": kept}


@given(text=st.text(st.characters(exclude_categories=()), max_size=40))
def test_whatever_a_browser_calls_a_text_is_read(text: str) -> None:
    raw = json.dumps(body(edit(value={"text": text}))).encode()
    found = json.loads(bytes(decode_save_request(raw).edits[0].value))["text"]
    assert found == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]]", b'{"client_id": "\xff"}', rb'{"x": "\ud83"}', b"nul", b"\x00"])
def test_what_is_no_json_stays_unreadable(raw: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        decode_save_request(raw)
