from __future__ import annotations

from argon2 import PasswordHasher

from app.model.passwords import Verdict, hash_password, verify_password


def test_the_right_password_is_recognised_and_another_is_not() -> None:
    stored = hash_password("correct horse")
    assert verify_password(stored, "correct horse") is Verdict.RIGHT
    assert verify_password(stored, "correct horse ") is Verdict.WRONG


def test_equal_passwords_have_different_hashes() -> None:
    assert hash_password("same") != hash_password("same")


def test_a_hash_with_other_parameters_is_marked_for_renewal() -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("pw")
    assert verify_password(old, "pw") is Verdict.RIGHT_BUT_OLD
    assert verify_password(old, "px") is Verdict.WRONG


def test_a_stored_text_that_is_no_hash_fits_no_password() -> None:
    for stored in ("", "plain", "$argon2id$v=19$m=8,t=1,p=1$", "\x00", "$2b$12$abcdefghijklmnopqrstuv"):
        assert verify_password(stored, stored) is Verdict.WRONG


def test_both_spellings_of_an_accented_letter_are_the_same_password() -> None:
    assert verify_password(hash_password("caf\u00e9"), "cafe\u0301") is Verdict.RIGHT


def test_half_a_surrogate_pair_is_a_password_like_any_other() -> None:
    assert verify_password(hash_password("\ud800"), "\ud800") is Verdict.RIGHT
    assert verify_password(hash_password("\ud800"), "\udfff") is Verdict.WRONG
