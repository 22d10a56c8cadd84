from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.redaction.pieces import END, Kind, Piece
from gateway.capabilities.redaction.placeholders import Vault
from gateway.capabilities.redaction.views import Renderer, View, escape_json
from gateway.domain import Destination, Finding, Obligations

NOTHING = Obligations()
MAIL = "alice@example.com"


def vault() -> Vault:
    return Vault(b"k" * 32, frozenset)


@given(st.text(alphabet=st.characters()))
def test_an_escaped_text_is_the_content_of_a_json_string(text: str) -> None:
    escaped = escape_json(text)
    assert json.loads(f'"{escaped}"') == text
    escaped.encode()


def test_only_the_model_fills_the_vault() -> None:
    one = vault()
    for destination in (Destination.RECORD, Destination.CALLER, Destination.PERSON):
        View(one, NOTHING, destination).replacement("EMAIL_ADDRESS", MAIL)
    assert one.restorable == {}
    token = View(one, NOTHING, Destination.MODEL).replacement("EMAIL_ADDRESS", MAIL)
    assert one.restorable == {token: ("EMAIL_ADDRESS", MAIL)}


def test_a_value_that_was_once_a_secret_is_one_under_any_name() -> None:
    everything = Obligations(reveal={Destination.CALLER: frozenset({"*"})})
    view = View(vault(), everything, Destination.CALLER, own={"x1234567"}, secrets={"x1234567"})
    assert view.replacement("US_PASSPORT", "x1234567") == "<SECRET>"
    assert view.hidden == {"SECRET": 1}


def test_own_values_are_shown_to_the_caller_alone() -> None:
    shown = {destination for destination in Destination if View(vault(), NOTHING, destination, own={MAIL}).shows("EMAIL_ADDRESS", MAIL)}
    assert shown == {Destination.CALLER}


def test_an_identifier_is_replaced_as_a_whole() -> None:
    view = View(vault(), NOTHING, Destination.MODEL)
    alias = view.identifier(f"call_{MAIL}", [Finding("EMAIL_ADDRESS", 5, 22)])
    assert alias.startswith("redacted_")
    assert view.vault.restorable[alias] == ("EMAIL_ADDRESS", f"call_{MAIL}")
    assert view.identifier("call_1", []) == "call_1"


def test_the_alias_of_a_secret_cannot_be_turned_back() -> None:
    view = View(vault(), NOTHING, Destination.MODEL)
    alias = view.identifier("sk-abcdefgh1", [Finding("SECRET", 0, 12)])
    assert alias.startswith("redacted_")
    assert view.vault.restorable == {}


def test_the_beginning_of_a_token_waits_until_it_is_complete_or_cannot_be() -> None:
    one = vault()
    token = View(one, NOTHING, Destination.MODEL).replacement("EMAIL_ADDRESS", MAIL) or ""
    renderer = Renderer(View(one, NOTHING, Destination.CALLER), json=False)
    assert renderer.render([Piece(Kind.TEXT, "a " + token[:9])]) == "a "
    assert renderer.render([Piece(Kind.TEXT, token[9:] + token[:4])]) == MAIL
    assert renderer.render([Piece(Kind.FOUND, "4111111111111111", "CREDIT_CARD")]).startswith(token[:4] + "<CREDIT_CARD_")
    assert renderer.render([Piece(Kind.TEXT, token[:4])]) == ""
    assert renderer.render([END]) == token[:4]


def test_more_of_a_finding_is_shown_or_hidden_like_its_beginning() -> None:
    pieces = [Piece(Kind.FOUND, "ab", "WORD"), Piece(Kind.MORE, "cd", "WORD"), END]
    assert Renderer(View(vault(), Obligations(reveal={Destination.CALLER: frozenset({"WORD"})}), Destination.CALLER), json=False).render(pieces) == "abcd"
    assert Renderer(View(vault(), NOTHING, Destination.CALLER), json=False).render(pieces).endswith(">")


def test_half_a_surrogate_pair_is_restored_to_something_that_can_be_sent() -> None:
    one = vault()
    token = View(one, NOTHING, Destination.MODEL).replacement("WORD", "x\ud83d") or ""
    caller = View(one, NOTHING, Destination.CALLER)
    assert Renderer(caller, json=False).render([Piece(Kind.TEXT, token), END]) == "x?"
    assert Renderer(caller, json=True).render([Piece(Kind.TEXT, token, "", True), END]) == "x\\ud83d"
