from __future__ import annotations

import re
from string import ascii_uppercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.redaction.placeholders import ALPHABET, Restorer, Vault, letters_in

KEY = b"k" * 32


def vault(key: bytes = KEY, taken: frozenset[str] = frozenset()) -> Vault:
    return Vault(key, lambda: taken)


@given(st.text(), st.text(alphabet=ascii_uppercase, min_size=1, max_size=12))
def test_a_placeholder_has_the_shape_that_scanners_leave_alone(value: str, category: str) -> None:
    token = vault().placeholder(category + "_X", value)
    assert re.fullmatch(rf"<{category}_X_[{ALPHABET}]{{16}}>", token)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", vault().alias(category, value))


def test_a_value_has_one_placeholder_for_a_tenant_and_another_for_the_next() -> None:
    first = vault().placeholder("EMAIL_ADDRESS", "alice@example.com")
    assert vault().placeholder("EMAIL_ADDRESS", "alice@example.com") == first
    assert vault(b"other" * 8).placeholder("EMAIL_ADDRESS", "alice@example.com") != first
    assert vault().placeholder("EMAIL_ADDRESS", "bob@example.com") != first


def test_a_secret_is_a_constant_that_nothing_turns_back() -> None:
    one = vault()
    token = one.placeholder("SECRET", "sk-abcdefgh")
    one.remember(token, "SECRET", "sk-abcdefgh")
    assert token == one.placeholder("SECRET", "sk-another1") == "<SECRET>"
    assert one.restorable == {}


def test_a_placeholder_that_the_request_holds_literally_is_not_minted_again() -> None:
    token = vault().placeholder("EMAIL_ADDRESS", "alice@example.com")
    other = vault(taken=frozenset(letters_in(f"see {token}")))
    assert other.placeholder("EMAIL_ADDRESS", "alice@example.com") != token
    assert other.alias("EMAIL_ADDRESS", "alice@example.com")[-16:] == other.placeholder("EMAIL_ADDRESS", "alice@example.com")[-17:-1]


@pytest.mark.parametrize("cut", range(1, 31))
def test_every_beginning_of_a_token_is_held_and_nothing_else(cut: int) -> None:
    token = vault().placeholder("EMAIL_ADDRESS", "alice@example.com")
    restorer = Restorer({token: "alice@example.com"})
    assert restorer.hold_from("a " + token[:cut]) == 2
    assert restorer.hold_from("a " + token[:cut] + "?") == cut + 3
    assert restorer.hold_from("a " + token) == len(token) + 2


def test_tokens_that_nobody_knows_stay_plain_text() -> None:
    known, unknown = vault().placeholder("A", "1"), vault().placeholder("B", "2")
    assert Restorer({known: "1"}).split(f"x {unknown}{known} y") == [(f"x {unknown}", "1"), (" y", None)]


def test_an_alias_is_restored_in_prose_too() -> None:
    alias = vault().alias("EMAIL_ADDRESS", "call_alice")
    restorer = Restorer({alias: "call_alice"})
    assert restorer.split(f"use {alias}.") == [("use ", "call_alice"), (".", None)]
    assert restorer.hold_from("use redac") == 4
    assert restorer.concerns("no bracket")
