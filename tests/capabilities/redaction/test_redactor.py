"""The redactor on the real scanner: the same promises, with real values."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.capabilities.findings.memo import FindingsMemo
from gateway.capabilities.findings.scanner import Scanner
from gateway.capabilities.redaction.redactor import Redactor
from gateway.capabilities.redaction.request import Inspection
from gateway.domain import Destination, Json, Obligations

NOTHING = Obligations()
KEY = b"\x01" * 32
MAIL = "alice@example.com"
CANARIES = [
    "eve@example.com",
    "4111111111111111",
    "5555 5555 5555 4444",
    "+1 202 555 0143",
    "536-22-1234",
    "192.0.2.17",
    "GB82 WEST 1234 5698 7654 32",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "AKIAIOSFODNN7EXAMPLE",
    "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 12 + "-----END PRIVATE KEY-----",
]


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    scanner = Scanner()
    return Redactor(scanner, FindingsMemo(scanner, 1_000), KEY)


@pytest.fixture(scope="module")
def asked(redactor: Redactor) -> tuple[Inspection, str]:
    """An inspected request that sent one address, and the placeholder that the model saw for it."""
    inspection = redactor.inspect({"messages": [{"role": "user", "content": f"mail {MAIL} now"}]})
    content = inspection.assemble(NOTHING, Destination.MODEL)["messages"][0]["content"]
    return inspection, content.split()[1]


def chunk(delta: Json, finish: str | None = None) -> Json:
    return {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(arguments: str) -> Json:
    return {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "send", "arguments": arguments}}]}


def streamed(inspection: Inspection, text: str, cuts: list[int], *, arguments: bool) -> list[str]:
    """What each chunk brought the caller."""
    stream = inspection.stream(NOTHING)
    edges = [0, *sorted(cuts), len(text)]
    seen = []
    chunks = [text[start:end] for start, end in pairwise(edges)]
    for one in [*(chunk(call(part) if arguments else {"content": part}) for part in chunks), chunk({}, "stop")]:
        delta = stream.push(one)["choices"][0]["delta"]
        seen.append("".join(item["function"].get("arguments", "") for item in delta.get("tool_calls", [])) if arguments else delta.get("content") or "")
    stream.close()
    return seen


def whole(inspection: Inspection, text: str, *, arguments: bool) -> str:
    message: Any = call(text) if arguments else {"content": text}
    shown = inspection.inspect_answer({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).for_caller(NOTHING)["choices"][0]["message"]
    result: str = shown["tool_calls"][0]["function"]["arguments"] if arguments else shown["content"]
    return result


@pytest.mark.parametrize("canary", CANARIES)
def test_no_value_reaches_the_model(redactor: Redactor, canary: str) -> None:
    for place in ({"messages": [{"role": "user", "content": f"it is {canary} ok"}]}, {"messages": [], "metadata": {"note": canary}}):
        inspection = redactor.inspect(place)
        sent = json.dumps(inspection.assemble(NOTHING, Destination.MODEL))
        assert json.dumps(canary)[1:-1] not in sent
        assert inspection.findings


@pytest.mark.parametrize("arguments", [False, True])
@pytest.mark.parametrize("canary", CANARIES)
def test_a_volunteered_value_never_shows_however_the_stream_is_split(asked: tuple[Inspection, str], canary: str, *, arguments: bool) -> None:
    inspection, token = asked
    text = f"I mailed {token} and it is {canary} ok {token}"
    if arguments:
        text = json.dumps({"note": text, "to": [token, canary]})
    expected = whole(inspection, text, arguments=arguments)
    assert canary not in expected
    assert MAIL in expected
    for cut in range(0, len(text) + 1, 1 + len(text) // 150):
        seen = streamed(inspection, text, [cut], arguments=arguments)
        assert "".join(seen) == expected
    emitted = "".join(streamed(inspection, text, list(range(len(text))), arguments=arguments))
    assert emitted == expected


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_random_texts_and_splits_show_the_same(asked: tuple[Inspection, str], data: st.DataObject) -> None:
    inspection, token = asked
    word = st.sampled_from([token, token[:-4], "<", *CANARIES[:8], "password:", "ssn", "card", "call me at", '"', "\\", "é\U0001f600"])
    text = data.draw(st.lists(word | st.text(max_size=4), max_size=8).map(" ".join))
    arguments = data.draw(st.booleans())
    if arguments:
        text = json.dumps({data.draw(st.sampled_from(["note", "ssn", "password", "phone", "a1", MAIL])): text}, ensure_ascii=data.draw(st.booleans()))
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=6))
    emitted = "".join(streamed(inspection, text, cuts, arguments=arguments))
    assert emitted == whole(inspection, text, arguments=arguments)
    assert not arguments or isinstance(json.loads(emitted), dict)


CATEGORIES = ["EMAIL_ADDRESS", "CREDIT_CARD", "PHONE_NUMBER", "US_SSN", "IP_ADDRESS", "IBAN_CODE", "SECRET", "*"]
SCANNER = Scanner()
GRANTS = st.dictionaries(st.sampled_from(list(Destination)), st.frozensets(st.sampled_from(CATEGORIES), max_size=4))


def fresh(key: bytes = KEY) -> Redactor:
    """A redactor as another process has it: it remembers nothing."""
    return Redactor(SCANNER, FindingsMemo(SCANNER, 1_000), key)


LITERAL: str = fresh().inspect({"messages": [{"content": CANARIES[0]}]}).assemble(NOTHING, Destination.MODEL)["messages"][0]["content"]
"""This tenant's placeholder for one of the values, as a caller may write it."""


def requests() -> st.SearchStrategy[Json]:
    """Requests with values in texts, JSON texts, names, keys and parameters; some hold what looks like a placeholder."""
    words = st.lists(st.sampled_from([*CANARIES, MAIL, "hello", "ssn", LITERAL, "<", "redacted_"]), min_size=1, max_size=5).map(" ".join)
    message = st.one_of(
        st.builds(lambda text: {"role": "user", "content": text}, words),
        st.builds(lambda text: {"role": "tool", "tool_call_id": "call_1", "content": json.dumps({"note": text})}, words),
        st.builds(lambda name: {"role": "user", "name": name, "content": "hi"}, st.sampled_from(["alice@example.com", "bob"])),
        st.builds(
            lambda text: {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": json.dumps({"a": text})}}]}, words
        ),
    )
    return st.builds(lambda messages, note: {"messages": messages, "metadata": {"note": note}, "user": MAIL}, st.lists(message, min_size=1, max_size=4), words)


def echo(shown: Json) -> Json:
    """An answer that repeats all that its model was shown, in prose, in arguments and as names."""
    said = json.dumps(shown, ensure_ascii=False)
    names = [message["name"] for message in shown["messages"] if "name" in message]
    calls = [{"id": "call_1", "type": "function", "function": {"name": name, "arguments": json.dumps({"said": said})}} for name in [*names, "send"]]
    return {"id": "chatcmpl-1", "choices": [{"index": 0, "message": {"content": said, "tool_calls": calls}, "finish_reason": "stop"}]}


@settings(max_examples=200, deadline=None)
@given(requests(), GRANTS, GRANTS)
def test_a_draft_is_restored_in_another_process_as_in_the_one_that_asked_for_it(body: Json, asking: dict[Any, Any], resuming: dict[Any, Any]) -> None:
    here, there = fresh(), fresh()
    asked = here.inspect(body)
    draft = echo(asked.assemble(Obligations(reveal=asking), Destination.MODEL))
    asked.recall_placeholders()  # what a person may see can grow with the grants of the later verdict, here as there
    there.inspect(body)  # its history knows the messages already
    resumed = there.inspect(body)
    resumed.assemble(Obligations(reveal=resuming), Destination.MODEL)
    resumed.recall_placeholders()
    one, other = asked.inspect_answer(draft), resumed.inspect_answer(draft)
    obligations = Obligations(reveal=resuming)
    assert other.findings == one.findings
    assert other.for_caller(obligations) == one.for_caller(obligations)
    assert other.for_person(obligations) == one.for_person(obligations)
    assert other.for_record(obligations) == one.for_record(obligations)


@settings(max_examples=200, deadline=None)
@given(requests(), GRANTS)
def test_a_caller_gets_the_same_whether_its_answer_waited_for_a_person_or_not(body: Json, grants: dict[Any, Any]) -> None:
    asked, resumed = fresh().inspect(body), fresh().inspect(body)
    draft = echo(asked.assemble(Obligations(reveal=grants), Destination.MODEL))
    resumed.recall_placeholders()
    assert resumed.inspect_answer(draft).for_caller(NOTHING) == asked.inspect_answer(draft).for_caller(NOTHING)


@settings(max_examples=200, deadline=None)
@given(requests(), requests(), st.booleans())
def test_nothing_becomes_restorable_that_the_request_does_not_hold(body: Json, other: Json, same_tenant: bool) -> None:
    draft = echo(fresh(KEY if same_tenant else b"\x02" * 32).inspect(other).assemble(NOTHING, Destination.MODEL))
    inspection = fresh().inspect(body)
    inspection.recall_placeholders()
    held = json.dumps(body, ensure_ascii=False).replace("\\", "")
    shown = json.dumps(inspection.inspect_answer(draft).for_caller(NOTHING), ensure_ascii=False)
    for canary in [*CANARIES[:7], MAIL]:
        assert canary in held or canary not in shown
    for secret in CANARIES[7:]:
        assert json.dumps(secret)[1:-1] not in shown
    said = json.dumps(draft, ensure_ascii=False)
    if not same_tenant and LITERAL not in said:
        assert [canary for canary in CANARIES if canary in shown and canary not in said] == []


@settings(max_examples=200, deadline=None)
@given(requests(), st.lists(st.sampled_from([*CANARIES, MAIL, "hello", "<", "ssn"]), max_size=5), GRANTS)
def test_an_answer_that_a_person_hands_back_unchanged_is_what_it_was_but_for_its_secrets(body: Json, words: list[str], grants: dict[Any, Any]) -> None:
    inspection = fresh().inspect(body)
    said = " ".join(words)
    before = inspection.inspect_answer({"choices": [{"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}]})
    handed = before.put_back(before.for_person(Obligations(reveal=grants))["choices"][0]["message"]["content"])
    if not set(words) & set(CANARIES[7:]):
        assert handed == said
    assert not any(secret in handed for secret in CANARIES[7:])
