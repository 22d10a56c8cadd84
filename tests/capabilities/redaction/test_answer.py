from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.redaction.request import Inspection
from gateway.capabilities.redaction.transcript import choices
from gateway.domain import Destination, FindingCount, Json, Obligations, Origin

Send = Callable[..., tuple[Inspection, Json]]
NOTHING = Obligations()
MAIL, NEW = "alice@example.com", "eve@example.com"
ODD = 'a"b\\c@example.com'


def answer(message: Json, **choice: Any) -> Json:
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop", **choice}]}


def calls(arguments: str, name: str = "send") -> Json:
    return {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}]}


def token_of(body: Json) -> str:
    content: str = body["messages"][0]["content"]
    return content[content.index("<") : content.index(">") + 1]


def test_the_caller_gets_back_what_it_sent_and_the_record_does_not(sent: Send) -> None:
    inspection, body = sent(f"mail {MAIL}")
    text = f"I wrote to {token_of(body)}."
    one = inspection.inspect_answer(answer({"content": text}))
    assert one.text == text
    assert one.findings == ()
    assert one.for_caller(NOTHING)["choices"][0]["message"]["content"] == f"I wrote to {MAIL}."
    assert one.redactions == {}
    assert one.for_record(NOTHING)["choices"][0]["message"]["content"] == text
    granted = Obligations(reveal={Destination.RECORD: frozenset({"EMAIL_ADDRESS"})})
    assert one.for_record(granted)["choices"][0]["message"]["content"] == f"I wrote to {MAIL}."


def test_the_caller_gets_back_its_own_values_when_the_model_saw_them(sent: Send) -> None:
    revealed = Obligations(reveal={Destination.MODEL: frozenset({"EMAIL_ADDRESS"})})
    inspection, _ = sent(f"mail {MAIL}", revealed)
    one = inspection.inspect_answer(answer({"content": f"to {MAIL} and {NEW}"}))
    assert one.findings == (FindingCount("EMAIL_ADDRESS", 1, "choices[0].message.content", Origin.MODEL),)
    assert one.for_caller(revealed)["choices"][0]["message"]["content"].startswith(f"to {MAIL} and <EMAIL_ADDRESS_")
    assert MAIL not in json.dumps(one.for_record(revealed))


FIELDS: list[tuple[Json, str]] = [
    ({"content": f"x {NEW}"}, "content"),
    ({"content": None, "refusal": NEW}, "refusal"),
    ({"content": None, "reasoning_content": NEW}, "reasoning_content"),
    ({"content": None, "own": {"deep": [NEW]}}, "own"),
    ({"content": [{"type": "text", "text": NEW}]}, "content"),
    (calls(json.dumps({"to": NEW})), "tool_calls"),
    (calls(json.dumps({NEW: 1})), "tool_calls"),
    (calls("{}", name=NEW), "tool_calls"),
    ({"content": "x", "annotations": [{"type": "url_citation", "url_citation": {"url": f"https://example.com/{NEW}"}}]}, "annotations"),
]


@pytest.mark.parametrize(("message", "field"), FIELDS)
def test_what_the_model_brings_is_found_and_hidden_in_every_field(sent: Send, message: Json, field: str) -> None:
    inspection, _ = sent("hello")
    original = answer(message)
    before = copy.deepcopy(original)
    one = inspection.inspect_answer(original)
    where = "choices[0].message" if field == "own" else f"choices[0].message.{field}"
    assert one.findings == (FindingCount("EMAIL_ADDRESS", 1, where, Origin.MODEL),)
    for shown in (one.for_caller(NOTHING), one.for_record(NOTHING)):
        assert NEW not in json.dumps(shown)
    assert one.redactions == {"EMAIL_ADDRESS": 1}
    granted = Obligations(reveal={Destination.CALLER: frozenset({"EMAIL_ADDRESS"})})
    assert one.for_caller(granted) == before == original
    assert one.redactions == {}


def test_secrets_never_come_back_whoever_brought_them(sent: Send) -> None:
    everything = Obligations(reveal=dict.fromkeys(Destination, frozenset({"*"})))
    inspection, _ = sent("key sk-abcdefgh1", everything)
    one = inspection.inspect_answer(answer({"content": "sk-abcdefgh1 sk-volunteered1"}))
    assert one.findings == (FindingCount("SECRET", 2, "choices[0].message.content", Origin.MODEL),)
    assert one.for_caller(everything)["choices"][0]["message"]["content"] == "<SECRET> <SECRET>"


def test_arguments_are_restored_with_json_escapes_once_for_their_level(sent: Send) -> None:
    inspection, body = sent(f"mail {ODD}")
    token = token_of(body)
    arguments = json.dumps({"to": token, token: 1, "inner": json.dumps({"x": "y"})})
    shown = inspection.inspect_answer(answer(calls(arguments))).for_caller(NOTHING)
    restored = json.loads(shown["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
    assert restored == {"to": ODD, ODD: 1, "inner": '{"x": "y"}'}


@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
def test_content_that_is_json_stays_json_when_it_is_restored(sent: Send, kind: str) -> None:
    inspection, body = sent(f"mail {ODD}", response_format={"type": kind})
    text = json.dumps({"to": token_of(body), "ssn": 123456789, "new": NEW})
    shown = inspection.inspect_answer(answer({"content": text})).for_caller(NOTHING)
    content = json.loads(shown["choices"][0]["message"]["content"])
    assert content["to"] == ODD
    assert content["ssn"].startswith("<US_SSN_")
    assert content["new"].startswith("<EMAIL_ADDRESS_")


def test_an_alias_is_restored_in_names_and_ids(sent: Send) -> None:
    tools = [{"type": "function", "function": {"name": MAIL}}]
    inspection, body = sent("x", tools=tools)
    alias = body["tools"][0]["function"]["name"]
    one = inspection.inspect_answer(answer({**calls("{}", name=alias), "content": f"I call {alias} now"}))
    message = one.for_caller(NOTHING)["choices"][0]["message"]
    assert message["tool_calls"][0]["function"]["name"] == MAIL
    assert message["content"] == f"I call {MAIL} now"
    assert MAIL not in json.dumps(one.for_record(NOTHING))


def test_log_probabilities_go_visibly_where_the_text_was_touched(sent: Send) -> None:
    inspection, body = sent(f"mail {MAIL}")
    logprobs = {"content": [{"token": "x", "logprob": -1.0}]}
    for content, dropped in ((f"to {token_of(body)}", True), (NEW, True), ("fine", False)):
        one = inspection.inspect_answer(answer({"content": content}, logprobs=logprobs))
        shown = one.for_caller(NOTHING)
        assert one.logprobs_dropped is dropped
        assert shown["choices"][0]["logprobs"] == (None if dropped else logprobs)


def test_a_placeholder_that_was_cut_off_stays_plain_text(sent: Send) -> None:
    inspection, body = sent(f"mail {MAIL}")
    cut = f"to {token_of(body)[:-3]}"
    assert inspection.inspect_answer(answer({"content": cut})).for_caller(NOTHING)["choices"][0]["message"]["content"] == cut


def test_media_in_an_answer_need_a_grant(sent: Send) -> None:
    inspection, _ = sent("sing")
    body = answer({"content": None, "audio": {"id": "audio_1", "data": "UklGRg==", "transcript": f"la {NEW}", "expires_at": 1}})
    audio = inspection.inspect_answer(body).for_caller(NOTHING)["choices"][0]["message"]["audio"]
    assert audio["data"] == "<UNSCANNED>"
    assert NEW not in audio["transcript"]
    assert inspection.inspect_answer(body).for_caller(Obligations(allow_unscanned=True))["choices"][0]["message"]["audio"]["data"] == "UklGRg=="


@pytest.mark.parametrize(
    "body", [{}, {"choices": []}, {"choices": [{}]}, {"choices": None}, {"choices": [{"message": None}]}, {"choices": ["odd"]}, {"error": "x"}]
)
def test_an_odd_answer_is_shown_as_it_is(sent: Send, body: Json) -> None:
    one = sent("hello")[0].inspect_answer(body)
    assert one.for_caller(NOTHING) == body
    assert one.findings == ()


ODD_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5) | st.sampled_from([NEW, "ssn", f"x {NEW} y", "<EMAIL"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["content", "tool_calls", "function", "arguments", "id", "index", "audio", "usage", "created", NEW]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(ODD_JSON, ODD_JSON, ODD_JSON)
def test_no_answer_however_odd_shows_a_value(sent: Send, message: Any, frame: Any, own: Any) -> None:
    inspection, _ = sent("hello")
    for body in (
        {"choices": [{"message": message, "own": own}], "usage": frame, "created": own},
        {"choices": message, "index": frame},
        {"choices": [message], NEW: own},
    ):
        one = inspection.inspect_answer(body)
        assert NEW not in json.dumps([one.for_caller(NOTHING), one.for_record(NOTHING), choices(one.for_caller(NOTHING))])


def person(*categories: str, **more: Any) -> Obligations:
    return Obligations(reveal={Destination.PERSON: frozenset(categories)}, **more)


def content_of(body: Json) -> Any:
    return body["choices"][0]["message"]["content"]


def test_a_person_sees_of_an_answer_what_persons_are_granted_and_no_more(sent: Send) -> None:
    inspection, body = sent(f"mail {MAIL} card 4111111111111111")
    mail, card = (f"<{part.split('>')[0]}>" for part in body["messages"][0]["content"].split("<")[1:])
    original = answer({"content": f"to {mail}, {NEW} and {MAIL} with {card}"})
    before = copy.deepcopy(original)
    one = inspection.inspect_answer(original)
    blind, granted, all_seeing = (content_of(one.for_person(person(*each))) for each in ((), ("EMAIL_ADDRESS",), ("*",)))
    assert blind.startswith(f"to {mail}, <EMAIL_ADDRESS_")
    assert blind.endswith(f" and {mail} with {card}")
    assert granted == f"to {MAIL}, {NEW} and {MAIL} with {card}"
    assert all_seeing == f"to {MAIL}, {NEW} and {MAIL} with 4111111111111111"
    assert (original, one.redactions, one.logprobs_dropped) == (before, {}, False)
    for others in (Destination.CALLER, Destination.MODEL, Destination.RECORD):
        assert content_of(one.for_person(Obligations(reveal={others: frozenset({"*"})}))) == blind


def test_no_person_sees_a_secret(sent: Send) -> None:
    inspection, _ = sent("my key is sk-abcdefgh")
    text = json.dumps(inspection.inspect_answer(answer({"content": "sk-abcdefgh and sk-ijklmnop", **calls('{"k": "sk-abcdefgh"}')})).for_person(person("*")))
    assert "sk-" not in text


def test_a_person_gets_no_log_probabilities_and_nothing_that_nobody_could_scan(sent: Send) -> None:
    inspection, _ = sent("hello")
    logprobs = {"content": [{"token": "x", "logprob": -1.0}]}
    message = {"content": "untouched", "audio": {"id": "a1", "data": "UklGRg==", "transcript": "hi"}}
    original = answer(message, logprobs=logprobs)
    shown = inspection.inspect_answer(original).for_person(person("*", allow_unscanned=True))
    assert shown["choices"][0]["logprobs"] is None
    assert shown["choices"][0]["message"] == {**message, "audio": {"id": "a1", "data": "<UNSCANNED>", "transcript": "hi"}}
    assert original["choices"][0]["logprobs"] == logprobs
    only = inspection.inspect_answer(answer({"content": "plain"}, logprobs=logprobs)).for_person(person())
    assert only == answer({"content": "plain"}, logprobs=None)


@pytest.mark.parametrize(
    "content",
    [
        [101, 7592, 102],
        [101, {"type": "input_audio", "input_audio": {"data": "UklGRg=="}}],
        [{"type": "file", "file": {"file_data": "data:x;base64,AA"}}, [1, 2]],
    ],
)
def test_tokens_and_media_inside_each_other_are_left_out_for_a_person(sent: Send, content: Any) -> None:
    inspection, _ = sent("hello")
    shown = json.dumps(inspection.inspect_answer(answer({"content": content})).for_person(person("*", allow_unscanned=True)))
    assert "<UNSCANNED>" in shown
    assert not any(raw in shown for raw in ("7592", "101", "UklGRg", "base64", "[1, 2]"))


def test_what_a_person_brings_is_found_and_hidden_like_a_models_and_says_whose_it_is(sent: Send) -> None:
    inspection, body = sent(f"mail {MAIL}")
    one = inspection.inspect_answer(answer({"content": f"{NEW}, {token_of(body)}, {MAIL}, sk-abcdefgh"}), origin=Origin.PERSON)
    assert one.findings == tuple(FindingCount(category, 1, "choices[0].message.content", Origin.PERSON) for category in ("EMAIL_ADDRESS", "SECRET"))
    for_caller = content_of(one.for_caller(NOTHING)).split(", ")
    assert for_caller[1:] == [MAIL, MAIL, "<SECRET>"]
    assert for_caller[0].startswith("<EMAIL_ADDRESS_")


@pytest.mark.parametrize("body", [{}, {"choices": None}, {"choices": [None, 5, {"logprobs": None}, {"logprobs": []}]}, {"choices": {"logprobs": 1}}])
def test_an_odd_answer_is_no_trouble_for_a_person(sent: Send, body: Json) -> None:
    inspection, _ = sent("hello")
    shown = inspection.inspect_answer(body).for_person(person())
    assert shown.keys() == body.keys()


def test_what_a_person_leaves_in_an_edited_answer_is_put_back_without_having_been_shown(sent: Send) -> None:
    inspection, body = sent(f"mail {MAIL}, key sk-abcdefgh")
    one = inspection.inspect_answer(answer({"content": f"Hi {NEW}, {token_of(body)}, {MAIL} and sk-ijklmnop"}))
    seen = content_of(one.for_person(person()))
    edited = one.put_back(seen.replace("Hi", "Dear"))
    assert edited == f"Dear {NEW}, {MAIL}, {MAIL} and <SECRET>"
    after = inspection.inspect_answer(answer({"content": edited}), origin=Origin.PERSON)
    assert content_of(after.for_person(person())) == seen.replace("Hi", "Dear")
    assert NEW not in content_of(after.for_caller(NOTHING))
    assert NEW in content_of(after.for_caller(Obligations(reveal={Destination.CALLER: frozenset({"*"})})))


def test_nothing_is_put_back_that_the_answer_does_not_hold(sent: Send) -> None:
    inspection, body = sent(f"mail {MAIL}")
    other, _ = sent("hello")
    of_another = content_of(other.inspect_answer(answer({"content": NEW})).for_person(person()))
    text = f"{of_another} {token_of(body)} <EMAIL_ADDRESS_BBBBBBBBBBBBBBBB> {NEW} <"
    assert inspection.inspect_answer(answer({"content": "nothing"})).put_back(text) == text


def test_what_is_put_back_into_json_is_escaped_for_it(sent: Send) -> None:
    inspection, _ = sent("hello", response_format={"type": "json_object"})
    one = inspection.inspect_answer(answer({"content": json.dumps({"to": ODD})}))
    seen = content_of(one.for_person(person()))
    assert ODD not in json.loads(seen)["to"]
    assert json.loads(one.put_back(seen)) == {"to": ODD}
