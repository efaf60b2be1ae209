"""Receipts: what is said can be read back, and nothing else passes."""

from __future__ import annotations

import re
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from app.drafts.codec import pack_client
from app.model.receipts import ReceiptError, ReceiptKey, read, short_form

KEY, SECRET = bytes.fromhex("01020304"), b"s" * 32
CLIENT = uuid.UUID("0199a000-0000-7000-8000-000000000001")


def made(said: bytes = b"edits", key: bytes = KEY, secret: bytes = SECRET) -> str:
    return ReceiptKey(key, secret).issue(4001, pack_client(11, CLIENT.bytes), 3, 7, 1_795_000_000_000, said)


def test_a_receipt_says_who_where_what_and_when() -> None:
    receipt = read(f" {made()}\n", {KEY.hex(): SECRET})
    assert (receipt.key_id, receipt.section_id, receipt.user_id, receipt.client_id) == ("01020304", 4001, 11, CLIENT)
    assert (receipt.first_seq, receipt.last_seq, receipt.at_ms) == (3, 7, 1_795_000_000_000)


def test_the_same_is_said_in_the_same_words_and_another_outcome_in_others() -> None:
    assert made() == made()
    one, other = (read(made(said), {KEY.hex(): SECRET}) for said in (b"drafted", b"conflict"))
    assert one.digest != other.digest
    assert one.short != other.short


def test_a_receipt_that_was_altered_anywhere_is_found_out() -> None:
    raw = urlsafe_b64decode(made().removeprefix("r1.") + "==")
    for at in range(len(raw)):
        forged = raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :]
        with pytest.raises(ReceiptError):
            read("r1." + urlsafe_b64encode(forged).decode().rstrip("="), {KEY.hex(): SECRET})


@pytest.mark.parametrize(
    "text", ["", "r1.", "r2." + made()[3:], made()[3:], made()[:-4], made() + "AAAA", "r1.é", "😀"]
)
def test_what_is_no_receipt_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ReceiptError):
        read(text, {KEY.hex(): SECRET})


def test_a_key_that_was_retired_is_named() -> None:
    with pytest.raises(ReceiptError, match="01020304"):
        read(made(), {"aabbccdd": SECRET})
    assert read(made(), {"aabbccdd": b"x", KEY.hex(): SECRET})
    with pytest.raises(ReceiptError, match="altered"):
        read(made(), {KEY.hex(): b"another secret"})


def test_the_short_form_can_be_read_over_the_telephone() -> None:
    forms = {read(made(b"%d" % i), {KEY.hex(): SECRET}).short for i in range(200)}
    assert len(forms) == 200
    assert all(re.fullmatch("[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", form) for form in forms)
    assert short_form(bytes(5)) == "0000-0000"
    assert short_form(b"\xff" * 5) == "ZZZZ-ZZZZ"
