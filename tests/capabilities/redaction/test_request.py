from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.redaction.redactor import Redactor
from gateway.capabilities.redaction.request import Inspection
from gateway.domain import Destination, FindingCount, Json, Obligations, Origin, Unscanned

NOTHING = Obligations()
MAIL = "alice@example.com"
CARD = 4111111111111111
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}

Send = Callable[..., tuple[Inspection, Json]]


def user(content: Any, **more: Any) -> Json:
    return {"model": "assistant", "messages": [{"role": "user", "content": content}], **more}


def call(arguments: str, name: str = "send", call_id: str = "call_1") -> Json:
    return {"role": "assistant", "content": None, "tool_calls": [{"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}]}


def tool(**function: Any) -> Json:
    return {"type": "function", "function": {"name": "send", **function}}


PLACES = [
    (user(f"hi {MAIL}"), "messages[0].content", Origin.CALLER),
    (user([{"type": "text", "text": f"hi {MAIL}"}]), "messages[0].content", Origin.CALLER),
    (user([f"hi {MAIL}"]), "messages[0].content", Origin.CALLER),
    (user([{"type": "image_url", "image_url": {"url": f"https://example.com/?u={MAIL}"}}]), "messages[0].content", Origin.CALLER),
    (user([{"type": "file", "file": {"filename": MAIL}}]), "messages[0].content", Origin.CALLER),
    (user([{"type": "oddity", "nested": [{"deep": MAIL}]}]), "messages[0].content", Origin.CALLER),
    ({"messages": [{"role": "tool", "tool_call_id": "c", "content": f'{{"to": "{MAIL}"}}'}]}, "messages[0].content", Origin.TOOL),
    ({"messages": [{"role": "assistant", "content": MAIL}]}, "messages[0].content", Origin.MODEL),
    ({"messages": [{"role": "assistant", "reasoning_content": MAIL}]}, "messages[0].reasoning_content", Origin.MODEL),
    ({"messages": [{"role": "user", "content": "", "own_field": {"x": MAIL}}]}, "messages[0]", Origin.CALLER),
    ({"messages": [{"role": "user", "content": "", MAIL: 1}]}, "messages[0]", Origin.CALLER),
    ({"messages": [MAIL]}, "messages[0]", Origin.CALLER),
    ({"messages": MAIL}, "messages", Origin.CALLER),
    ({"messages": [call(json.dumps({"to": [MAIL]}))]}, "messages[0].tool_calls", Origin.MODEL),
    ({"messages": [call(r'{"to": "\u0061lice@example.com"}')]}, "messages[0].tool_calls", Origin.MODEL),
    ({"messages": [call(f'{{"a": "{MAIL}", "a": 1}}')]}, "messages[0].tool_calls", Origin.MODEL),
    ({"messages": [call(f"send to {MAIL}")]}, "messages[0].tool_calls", Origin.MODEL),
    ({"messages": [call(json.dumps({MAIL: 1}))]}, "messages[0].tool_calls", Origin.MODEL),
    ({"messages": [{"role": "assistant", "function_call": {"name": "f", "arguments": json.dumps({"a": MAIL})}}]}, "messages[0].function_call", Origin.MODEL),
    (user("", tools=[tool(description=f"mails {MAIL}")]), "tools[0]", Origin.CALLER),
    (user("", tools=[tool(parameters={"type": "object", "properties": {"to": {"enum": [MAIL]}}})]), "tools[0]", Origin.CALLER),
    (user("", tools=[tool(parameters={"properties": {MAIL: {}}})]), "tools[0]", Origin.CALLER),
    (user("", functions=[{"name": "f", "description": MAIL}]), "functions[0]", Origin.CALLER),
    (user("", metadata={"who": MAIL}), "metadata", Origin.CALLER),
    (user("", metadata={MAIL: "x"}), "metadata", Origin.CALLER),
    (user("", user=MAIL), "user", Origin.CALLER),
    (user("", stop=["x", MAIL]), "stop", Origin.CALLER),
    (user("", response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": {"const": MAIL}}}), "response_format", Origin.CALLER),
    (user("", prediction={"type": "content", "content": [{"type": "text", "text": MAIL}]}), "prediction", Origin.CALLER),
    (user("", own={"a": {"b": [[MAIL]]}}), "unknown", Origin.CALLER),
    ({**user(""), MAIL: 1}, "unknown", Origin.CALLER),
    ({**user(""), "model": MAIL}, "model", Origin.CALLER),
    ({"messages": [{"role": MAIL, "content": ""}]}, "messages[0].role", Origin.CALLER),
]


@pytest.mark.parametrize(("body", "where", "origin"), PLACES)
def test_a_value_is_found_and_hidden_wherever_it_stands(redactor: Redactor, body: Json, where: str, origin: Origin) -> None:
    before = copy.deepcopy(body)
    inspection = redactor.inspect(body)
    assert inspection.findings == (FindingCount("EMAIL_ADDRESS", 1, where, origin),)
    sent = json.dumps(inspection.assemble(NOTHING, Destination.MODEL))
    assert MAIL not in sent
    assert sent.count("<EMAIL_ADDRESS_") == 1
    assert inspection.redactions == {"EMAIL_ADDRESS": 1}
    assert body == before
    granted = Obligations(reveal={Destination.MODEL: frozenset({"EMAIL_ADDRESS"})})
    assert inspection.assemble(granted, Destination.MODEL) == before
    assert inspection.redactions == {}


NUMBERS = [user("", metadata={"n": CARD}), user("", own=[{"n": CARD}]), {"messages": [call(json.dumps({"n": CARD}))]}, user("", own={"ssn": 123456789})]


@pytest.mark.parametrize("body", NUMBERS)
def test_long_integers_are_scanned_under_their_key_and_hidden_as_strings(redactor: Redactor, body: Json) -> None:
    inspection = redactor.inspect(body)
    sent = json.dumps(inspection.assemble(NOTHING, Destination.MODEL))
    assert inspection.findings[0].count == 1
    assert str(CARD) not in sent
    assert "123456789" not in sent
    for message in json.loads(sent)["messages"]:
        for one in message.get("tool_calls", []):
            assert json.loads(one["function"]["arguments"])["n"].startswith("<CREDIT_CARD_")


IDENTIFIERS = [
    {"messages": [call("{}", call_id=MAIL), {"role": "tool", "tool_call_id": MAIL, "content": "x"}]},
    user("", tools=[{"type": "function", "function": {"name": MAIL}}], tool_choice={"type": "function", "function": {"name": MAIL}}),
    user("", functions=[{"name": MAIL}], function_call={"name": MAIL}),
    {"messages": [{"role": "user", "name": MAIL, "content": "x"}]},
]


@pytest.mark.parametrize("body", IDENTIFIERS)
def test_an_identifier_that_holds_a_value_becomes_one_legal_alias_everywhere(redactor: Redactor, body: Json) -> None:
    inspection = redactor.inspect(body)
    sent = json.dumps(inspection.assemble(NOTHING, Destination.MODEL))
    assert MAIL not in sent
    assert "<" not in sent
    aliases = {word for word in sent.split('"') if word.startswith("redacted_")}
    assert len(aliases) == 1
    assert len(aliases.pop()) == 25


MEDIA = [
    (user([{"type": "text", "text": "x"}, IMAGE]), {Unscanned("messages[0].content", "image")}),
    (user([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]), {Unscanned("messages[0].content", "image")}),
    (user([{"type": "image_url", "image_url": "data:image/png;base64,AA"}]), {Unscanned("messages[0].content", "image")}),
    (user([{"type": "text", "text": "x", "image_url": {"url": "data:,"}}]), {Unscanned("messages[0].content", "image")}),
    (user([{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]), {Unscanned("messages[0].content", "audio")}),
    (user([{"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", "filename": "a.pdf"}}]), {Unscanned("messages[0].content", "file")}),
    (user([{"type": "video_url", "video_url": {"url": "https://example.com/v"}}]), {Unscanned("messages[0].content", "file")}),
    (user([{"text": "no type"}]), {Unscanned("messages[0].content", "file")}),
    (user([1, 2, 3]), {Unscanned("messages[0].content", "tokens")}),
    (user("", prompt=[[1, 2], [3]]), {Unscanned("prompt", "tokens")}),
    (user("", own_tokens=[1, 2]), {Unscanned("unknown", "tokens")}),
    (user("x", logit_bias={"1": 5}, metadata={"a": [1]}, stop=["a"], n=2, seed=1234567890123), set()),
    (user([{"type": "text", "text": "x"}, {"type": "refusal", "refusal": "y"}]), set()),
]


@pytest.mark.parametrize(("body", "expected"), MEDIA)
def test_what_nobody_can_scan_is_named(redactor: Redactor, body: Json, expected: set[Unscanned]) -> None:
    assert set(redactor.inspect(body).unscanned) == expected


def test_the_record_keeps_no_content_that_nobody_could_scan(redactor: Redactor) -> None:
    inspection = redactor.inspect(user([{"type": "text", "text": "x"}, IMAGE]))
    assert "iVBORw0KGgo" not in json.dumps(inspection.assemble(NOTHING, Destination.RECORD))
    assert "iVBORw0KGgo" in json.dumps(inspection.assemble(NOTHING, Destination.MODEL))


def test_a_request_without_findings_is_handed_on_as_it_is(redactor: Redactor) -> None:
    body = user("hello", tools=[tool(parameters={"type": "object"})], metadata={"a": "b"})
    inspection = redactor.inspect(body)
    assert inspection.assemble(NOTHING, Destination.MODEL) is body
    assert (inspection.findings, inspection.unscanned, inspection.redactions) == ((), (), {})


def test_untouched_parts_are_shared(redactor: Redactor) -> None:
    body = {"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": MAIL}], "tools": [tool()]}
    sent = redactor.inspect(body).assemble(NOTHING, Destination.MODEL)
    assert sent["messages"][0] is body["messages"][0]
    assert sent["tools"] is body["tools"]


def test_secrets_are_hidden_from_everyone_whatever_is_granted(redactor: Redactor) -> None:
    everything = Obligations(reveal=dict.fromkeys(Destination, frozenset({"*", "SECRET"})))
    body = user(f"my key sk-abcdefgh1 and {MAIL}", metadata={"sk-abcdefgh1": 1, "sk-abcdefgh2": 2})
    for destination in Destination:
        sent = json.dumps(redactor.inspect(body).assemble(everything, destination))
        assert "sk-abcdefgh" not in sent
        assert MAIL in sent
        assert set(json.loads(sent)["metadata"].values()) == {1, 2}


def test_each_destination_sees_what_it_is_granted_and_no_more(redactor: Redactor) -> None:
    inspection = redactor.inspect(user(f"{MAIL} {CARD}"))
    some = Obligations(reveal={Destination.MODEL: frozenset({"EMAIL_ADDRESS"}), Destination.RECORD: frozenset({"CREDIT_CARD"})})
    model = inspection.assemble(some, Destination.MODEL)["messages"][0]["content"]
    record = inspection.assemble(some, Destination.RECORD)["messages"][0]["content"]
    assert model.startswith(f"{MAIL} <CREDIT_CARD_")
    assert record.startswith("<EMAIL_ADDRESS_")
    assert record.endswith(str(CARD))


def test_the_same_value_has_the_same_placeholder_in_every_message(redactor: Redactor) -> None:
    body = {"messages": [{"role": "user", "content": f"to {MAIL}"}, call(json.dumps({"to": MAIL})), {"role": "tool", "content": MAIL}]}
    sent = redactor.inspect(body).assemble(NOTHING, Destination.MODEL)["messages"]
    token = sent[2]["content"]
    assert sent[0]["content"] == f"to {token}"
    assert json.loads(sent[1]["tool_calls"][0]["function"]["arguments"]) == {"to": token}


def test_a_placeholder_that_came_in_stays_plain_text(sent: Send) -> None:
    _, first = sent(MAIL)
    token = first["messages"][0]["content"]
    for history in ({"metadata": {"a": token}}, {"tools": [tool(description=token)]}, {"own": [json.dumps({"x": token})]}, {token: 1}):
        inspection, body = sent(MAIL, **history)
        minted = body["messages"][0]["content"]
        assert minted != token
        answer = {"choices": [{"index": 0, "message": {"content": f"{token} {minted}"}}]}
        assert inspection.inspect_answer(answer).for_caller(NOTHING)["choices"][0]["message"]["content"] == f"{token} {MAIL}"


def test_any_value_can_be_redacted_for_a_destination(redactor: Redactor) -> None:
    inspection = redactor.inspect(user(f"hi {MAIL}"))
    value = {"request": {"messages": [call(json.dumps({"to": MAIL, "ssn": 123456789}))]}, "findings": [MAIL], "n": 5}
    shown = inspection.redact(value, NOTHING, Destination.RECORD)
    assert MAIL not in json.dumps(shown)
    assert "123456789" not in json.dumps(shown)
    assert shown["n"] == 5
    assert inspection.redact({"a": "b"}, NOTHING, Destination.RECORD) == {"a": "b"}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20))
def test_any_json_is_inspected_and_a_value_never_passes(redactor: Redactor, value: Any) -> None:
    body = {"messages": [{"role": "user", "content": value}, value], "own": value, "tools": [value, {"function": value}], "x": [{"y": MAIL}, value]}
    sent = json.dumps(redactor.inspect(body).assemble(NOTHING, Destination.MODEL))
    assert MAIL not in sent


def test_depth_is_no_limit_to_the_walk(redactor: Redactor) -> None:
    value: Any = "end"
    for _ in range(5_000):
        value = [value]
    assert redactor.inspect(user("", own=value)).findings == ()
    arguments = "[" * 5_000 + f'"{MAIL}"'
    assert redactor.inspect({"messages": [call(arguments)]}).findings[0].count == 1


def test_a_person_gets_no_content_that_nobody_could_scan(redactor: Redactor) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    inspection = redactor.inspect({"messages": [{"role": "user", "content": [{"type": "text", "text": MAIL}, image]}]})
    everything = Obligations(reveal={Destination.PERSON: frozenset({"*"})}, allow_unscanned=True)
    shown = inspection.assemble(everything, Destination.PERSON)["messages"][0]["content"]
    assert shown == [{"type": "text", "text": MAIL}, {"type": "image_url", "image_url": {"url": "<UNSCANNED>"}}]


def test_a_person_sees_of_a_request_what_persons_are_granted(redactor: Redactor) -> None:
    body = user(f"{MAIL} {CARD} sk-abcdefgh")
    inspection = redactor.inspect(body)
    for_model = inspection.assemble(NOTHING, Destination.MODEL)
    assert inspection.assemble(NOTHING, Destination.PERSON) == for_model
    some = Obligations(reveal={Destination.PERSON: frozenset({"CREDIT_CARD"}), Destination.CALLER: frozenset({"*"})})
    shown = inspection.assemble(some, Destination.PERSON)["messages"][0]["content"]
    assert shown.startswith("<EMAIL_ADDRESS_")
    assert shown.endswith(f" {CARD} <SECRET>")


def test_an_answer_that_was_made_elsewhere_is_restored_once_the_placeholders_are_recalled(redactor: Redactor, sent: Send) -> None:
    _, body = sent(MAIL)
    draft = {"choices": [{"index": 0, "message": {"content": f"mail {body['messages'][0]['content']}"}}]}
    revealed = Obligations(reveal={Destination.MODEL: frozenset({"*"})})
    inspection = redactor.inspect(user(MAIL))
    assembled = inspection.assemble(revealed, Destination.MODEL)
    assert inspection.inspect_answer(draft).for_caller(NOTHING) == draft
    inspection.recall_placeholders()
    assert inspection.inspect_answer(draft).for_caller(NOTHING)["choices"][0]["message"]["content"] == f"mail {MAIL}"
    assert inspection.redactions == {}
    assert assembled == user(MAIL)
    assert inspection.assemble(revealed, Destination.RECORD) != assembled
