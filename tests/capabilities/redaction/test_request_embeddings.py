"""What is redacted of a request for embeddings: one way, by type alone, so that the same text gives the same vector whoever's value it holds."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.redaction.redactor import Redactor
from gateway.domain import Destination, FindingCount, Json, Obligations, Origin, Unscanned

NOTHING = Obligations()
MAIL, OTHER = "alice@example.com", "bob@example.org"
SECRET = "sk-abcdefgh12345678"
CARD = 4111111111111111


def asked(given: Any, **more: Any) -> Json:
    return {"model": "embedder", "input": given, **more}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (f"write to {MAIL}", "write to <EMAIL_ADDRESS>"),
        ([f"write to {MAIL}", "nothing here", f"or to {OTHER}"], ["write to <EMAIL_ADDRESS>", "nothing here", "or to <EMAIL_ADDRESS>"]),
        (f"{MAIL} {OTHER} {MAIL}", "<EMAIL_ADDRESS> <EMAIL_ADDRESS> <EMAIL_ADDRESS>"),
        (f"card {CARD} key {SECRET}", "card <CREDIT_CARD> key <SECRET>"),
        (r'{"to": "\u0061lice@example.com"}', '{"to": "<EMAIL_ADDRESS>"}'),
        (f'\\u0022 {{"n": {CARD}}}', '\\u0022 {"n": <CREDIT_CARD>}'),
    ],
)
def test_a_hidden_value_is_its_type_alone(redactor: Redactor, given: Any, shown: Any) -> None:
    body = asked(given)
    before = copy.deepcopy(body)
    inspection = redactor.inspect(body)
    assert inspection.assemble_one_way(NOTHING)["input"] == shown
    assert body == before


def test_whose_value_a_text_holds_makes_no_difference(redactor: Redactor) -> None:
    one, other = (redactor.inspect(asked([f"dear {mail}, welcome"])).assemble_one_way(NOTHING) for mail in (MAIL, OTHER))
    assert one == other


def test_parameters_are_hidden_too_and_names_stay_legal(redactor: Redactor) -> None:
    body = asked("hello", user=MAIL, metadata={MAIL: [OTHER, CARD]}, response_format={"json_schema": {"name": MAIL}})
    shown = redactor.inspect(body).assemble_one_way(NOTHING)
    assert shown["user"] == "<EMAIL_ADDRESS>"
    assert shown["metadata"] == {"<EMAIL_ADDRESS>": ["<EMAIL_ADDRESS>", "<CREDIT_CARD>"]}
    assert shown["response_format"]["json_schema"]["name"] == "redacted_email_address"


def test_what_is_revealed_to_the_model_is_shown_but_never_a_secret(redactor: Redactor) -> None:
    all_but_secrets = Obligations(reveal={Destination.MODEL: frozenset({"*"})})
    inspection = redactor.inspect(asked(f"{MAIL} {SECRET} {CARD}"))
    assert inspection.assemble_one_way(all_but_secrets)["input"] == f"{MAIL} <SECRET> {CARD}"
    assert inspection.redactions == {"SECRET": 1}
    mails = Obligations(reveal={Destination.MODEL: frozenset({"EMAIL_ADDRESS"})})
    assert inspection.assemble_one_way(mails)["input"] == f"{MAIL} <SECRET> <CREDIT_CARD>"


def test_nothing_can_be_put_back(redactor: Redactor) -> None:
    inspection = redactor.inspect(asked([f"write to {MAIL}"]))
    inspection.assemble_one_way(NOTHING)
    assert inspection.redact("<EMAIL_ADDRESS>", NOTHING, Destination.CALLER) == "<EMAIL_ADDRESS>"
    assert inspection._vault.restorable == {}


@pytest.mark.parametrize("literal", ["<EMAIL_ADDRESS_BCDFGHJKLMNPQRST>", "<EMAIL_ADDRESS>", "<SECRET>", "redacted_BCDFGHJKLMNPQRST"])
def test_what_looks_like_a_placeholder_stays_plain_text(redactor: Redactor, literal: str) -> None:
    inspection = redactor.inspect(asked([f"{literal} and {MAIL}"]))
    assert inspection.assemble_one_way(NOTHING)["input"] == [f"{literal} and <EMAIL_ADDRESS>"]


def test_the_record_has_placeholders_that_tell_values_apart(redactor: Redactor) -> None:
    inspection = redactor.inspect(asked([MAIL, OTHER, MAIL]))
    inspection.assemble_one_way(NOTHING)
    first, second, third = inspection.assemble(NOTHING, Destination.RECORD)["input"]
    assert first == third != second
    assert first.startswith("<EMAIL_ADDRESS_")


def test_findings_say_which_input(redactor: Redactor) -> None:
    findings = redactor.inspect(asked(["nothing", f"{MAIL} {OTHER}", SECRET], user=MAIL)).findings
    assert set(findings) == {
        FindingCount("EMAIL_ADDRESS", 2, "input[1]", Origin.CALLER),
        FindingCount("SECRET", 1, "input[2]", Origin.CALLER),
        FindingCount("EMAIL_ADDRESS", 1, "user", Origin.CALLER),
    }
    assert redactor.inspect(asked(MAIL)).findings == (FindingCount("EMAIL_ADDRESS", 1, "input", Origin.CALLER),)


@pytest.mark.parametrize("given", [[1, 2, 3], [[1, 2], [3]], [[7]] * 2048])
def test_tokens_are_said_to_be_unscanned_and_are_not_recorded(redactor: Redactor, given: list[Any]) -> None:
    inspection = redactor.inspect(asked(given))
    assert inspection.unscanned == (Unscanned("input", "tokens"),)
    assert inspection.assemble_one_way(NOTHING)["input"] == given
    recorded = json.dumps(inspection.assemble(NOTHING, Destination.RECORD)["input"])
    assert set(recorded) <= set('"<UNSCANNED>" ,[]')


def test_a_number_too_long_for_a_token_is_still_looked_at(redactor: Redactor) -> None:
    inspection = redactor.inspect(asked([1, CARD, 2]))
    assert inspection.findings == (FindingCount("CREDIT_CARD", 1, "input[1]", Origin.CALLER),)
    assert inspection.assemble_one_way(NOTHING)["input"] == [1, "<CREDIT_CARD>", 2]


def test_tokens_of_a_chat_message_are_not_recorded_either(redactor: Redactor) -> None:
    inspection = redactor.inspect({"model": "assistant", "messages": [{"role": "user", "content": [1, 2, 3]}]})
    assert inspection.assemble(NOTHING, Destination.RECORD)["messages"][0]["content"] == "<UNSCANNED>"
    assert inspection.assemble(NOTHING, Destination.MODEL)["messages"][0]["content"] == [1, 2, 3]


def test_messages_that_were_seen_before_are_hidden_one_way_too(redactor: Redactor) -> None:
    body = {"model": "embedder", "messages": [{"role": "user", "content": f"write to {MAIL}"}]}
    for _ in range(2):
        assert redactor.inspect(body).assemble_one_way(NOTHING)["messages"][0]["content"] == "write to <EMAIL_ADDRESS>"


words = st.sampled_from([MAIL, OTHER, SECRET, str(CARD), "plain", "<EMAIL_ADDRESS>", "<SECRET>", "é", '"', "\\u0061", "{", "\n"])
texts = st.lists(words, max_size=8).map(" ".join)


@given(st.lists(texts, min_size=1, max_size=6))
def test_no_value_is_left_whatever_the_texts(redactor: Redactor, given: list[str]) -> None:
    inspection = redactor.inspect(asked(given))
    shown = inspection.assemble_one_way(NOTHING)["input"]
    assert len(shown) == len(given)
    assert not any(value in json.dumps(shown) for value in (MAIL, OTHER, SECRET, str(CARD)))
    assert sum(inspection.redactions.values()) == sum(finding.count for finding in inspection.findings)
