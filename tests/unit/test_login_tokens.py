from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.login_tokens import SECRET_BYTES, DeviceToken, LoginToken

SESSION = UUID("0b7c5f9e-3d1a-4f6c-8e2b-9a7d5c3f1e0b")
TOKEN = LoginToken.of(SESSION, b"s" * SECRET_BYTES)
KEY = b"k" * 32


def test_a_token_is_parsed_back() -> None:
    assert LoginToken.parse(TOKEN.text) == TOKEN
    assert TOKEN.login_session_id == SESSION


@given(st.text(max_size=90))
def test_any_other_text_is_no_token(text: str) -> None:
    parsed = LoginToken.parse(text)
    assert parsed is None or parsed.text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        TOKEN.text[:-1],
        TOKEN.text + "A",
        TOKEN.text + "\n",
        TOKEN.text.upper(),
        TOKEN.text.replace(".", "-"),
        str(SESSION) + TOKEN.text[32:],
        TOKEN.text[:-1] + "\u0661",  # a digit, in Arabic
    ],
)
def test_a_token_has_one_spelling(text: str) -> None:
    assert LoginToken.parse(text) is None


def test_the_next_token_follows_from_the_one_before_and_the_key_alone() -> None:
    following = TOKEN.successor(KEY)
    assert following == TOKEN.successor(KEY)
    assert following.login_session_id == SESSION
    assert LoginToken.parse(following.text) == following
    assert len({TOKEN, following, following.successor(KEY), TOKEN.successor(b"o" * 32)}) == 4


def test_a_digest_does_not_contain_the_token() -> None:
    assert len(TOKEN.digest) == 32
    assert TOKEN.digest != TOKEN.successor(KEY).digest


def test_a_device_is_known_by_its_user_and_installation_only() -> None:
    device = DeviceToken.of("d" * 22, 12, KEY)
    assert DeviceToken.parse(device.text, 12, KEY) == device
    assert DeviceToken.parse(device.text, 13, KEY) is None
    assert DeviceToken.parse(device.text, 12, b"o" * 32) is None
    for text in (None, "", "d" * 22, device.text[:-1], device.text + ".", "é", device.text + "\x00"):
        assert DeviceToken.parse(text, 12, KEY) is None
