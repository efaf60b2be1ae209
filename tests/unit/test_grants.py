from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import SignInRequiredError
from app.model.grants import (
    SECTIONS_MAX,
    TOKEN_CHARS_MAX,
    Grant,
    check_term,
    derive_grant_key,
    derive_secret,
    mint,
    read,
    verify,
)

KEY = derive_grant_key("k" * 40)
OTHER_KEY = derive_grant_key("o" * 40)
KEYS = {KEY.key_id: KEY}
NOW = 1_800_000_000

GRANT = Grant(
    grant_id="g" * 22,
    user_id=12,
    login_session_id="0b7c5f9e3d1a4f6c8e2b9a7d5c3f1e0b",
    roles=("teacher",),
    org_ids=(3, 4),
    section_ids=frozenset({4001, 4002}),
    issued_at=NOW,
    expires_at=NOW + 900,
    name="Zoë Ångström",
)
TOKEN = mint(GRANT, KEY)


def test_a_minted_grant_is_read_back_as_it_was() -> None:
    assert read(TOKEN, KEYS, NOW) == GRANT


def test_a_teacher_of_too_many_sections_is_read_back_without_them() -> None:
    grant = msgspec.structs.replace(GRANT, section_ids=None, login_session_id=None)
    assert read(mint(grant, KEY), KEYS, NOW) == grant


def test_a_grant_ends_at_its_term_and_not_a_second_earlier() -> None:
    assert read(TOKEN, KEYS, NOW + 899.9) == GRANT
    with pytest.raises(SignInRequiredError) as caught:
        read(TOKEN, KEYS, NOW + 900)
    assert caught.value.params == {"reason": "expired"}


def test_the_grace_is_added_to_the_term_and_ends_too() -> None:
    assert read(TOKEN, KEYS, NOW + 900 + 3_599, grace_s=3_600) == GRANT
    with pytest.raises(SignInRequiredError):
        read(TOKEN, KEYS, NOW + 900 + 3_600, grace_s=3_600)
    with pytest.raises(SignInRequiredError):
        check_term(GRANT, NOW + 900 + 3_600, 3_600)


def test_a_grant_of_another_installation_is_refused() -> None:
    with pytest.raises(SignInRequiredError):
        read(mint(GRANT, OTHER_KEY), KEYS, NOW)


def test_a_grant_signed_with_the_key_before_is_read_while_keys_rotate() -> None:
    old = mint(GRANT, OTHER_KEY)
    assert read(old, {**KEYS, OTHER_KEY.key_id: OTHER_KEY}, NOW) == GRANT


def test_the_name_of_a_known_key_does_not_help_a_forger() -> None:
    forged = mint(GRANT, OTHER_KEY).replace(OTHER_KEY.key_id, KEY.key_id)
    with pytest.raises(SignInRequiredError):
        read(forged, KEYS, NOW)


def test_a_grant_cannot_be_extended_by_its_bearer() -> None:
    prefix, key_id, payload, signature = TOKEN.split(".")
    grant = msgspec.msgpack.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    grant["expires_at"] += 86_400
    longer = urlsafe_b64encode(msgspec.msgpack.encode(grant)).rstrip(b"=").decode()
    with pytest.raises(SignInRequiredError):
        read(f"{prefix}.{key_id}.{longer}.{signature}", KEYS, NOW)


@pytest.mark.parametrize("length", range(0, len(TOKEN), 7))
def test_a_truncated_token_is_refused(length: int) -> None:
    with pytest.raises(SignInRequiredError):
        verify(TOKEN[:length], KEYS)


@given(st.integers(0, len(TOKEN) - 1), st.characters(min_codepoint=33, max_codepoint=255))
def test_no_character_of_a_token_can_be_changed(place: int, character: str) -> None:
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]
    if changed == TOKEN:
        assert verify(changed, KEYS) == GRANT
    else:
        with pytest.raises(SignInRequiredError):
            verify(changed, KEYS)


@given(st.text(max_size=200))
def test_any_text_is_refused_without_another_error(text: str) -> None:
    with pytest.raises(SignInRequiredError):
        verify(text, KEYS)


@pytest.mark.parametrize(
    "token",
    [TOKEN + "=", TOKEN + " ", " " + TOKEN, TOKEN + "\n", "." + TOKEN, TOKEN + ".", TOKEN.replace("ikg1", "ikg2")],
)
def test_a_grant_has_one_spelling(token: str) -> None:
    with pytest.raises(SignInRequiredError):
        verify(token, KEYS)


def test_a_huge_token_is_refused_before_any_work() -> None:
    with pytest.raises(SignInRequiredError):
        verify("a." * 5_000_000, KEYS)


def test_a_payload_of_another_shape_is_refused_although_it_is_signed() -> None:
    class Other(msgspec.Struct):
        grant_id: int = 5

    token = mint(Other(), KEY)  # type: ignore[arg-type]  # another release's grant
    with pytest.raises(SignInRequiredError):
        verify(token, KEYS)


def test_the_largest_grant_fits_into_a_cookie() -> None:
    grant = msgspec.structs.replace(
        GRANT,
        section_ids=frozenset(range(2**32 - SECTIONS_MAX, 2**32)),
        org_ids=tuple(range(2**32 - 200, 2**32)),
        roles=tuple("districtAdministrator" for _ in range(10)),
        name="名" * 120,
    )
    assert len(mint(grant, KEY)) <= TOKEN_CHARS_MAX


def test_keys_for_different_uses_differ_and_are_stable() -> None:
    assert derive_secret("k" * 40, "grant") != derive_secret("k" * 40, "receipt")
    assert derive_secret("k" * 40, "grant") == KEY.secret
    assert KEY.key_id not in KEY.secret.hex()


def test_only_roles_over_the_whole_installation_administer_it() -> None:
    assert not GRANT.is_administrator
    assert not msgspec.structs.replace(GRANT, roles=("principal", "teacher")).is_administrator
    assert msgspec.structs.replace(GRANT, roles=("teacher", "districtAdministrator")).is_administrator
