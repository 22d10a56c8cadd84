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
