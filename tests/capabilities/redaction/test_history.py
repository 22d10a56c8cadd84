"""A redactor that knows the messages of a conversation says and shows the same as one that takes all of them apart."""

from __future__ import annotations

import copy
import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.capabilities.findings.memo import FindingsMemo
from gateway.capabilities.findings.options import ScanOptions
from gateway.capabilities.findings.scanner import Scanner
from gateway.capabilities.redaction.history import History, Recalled
from gateway.capabilities.redaction.leaves import Walk
from gateway.capabilities.redaction.request import Inspection, Tenant
from gateway.capabilities.redaction.scanning import Clean, CleanTexts, CleanWords
from gateway.domain import Destination, Json, Obligations

MAIL, OTHER, CARD, SECRET = "alice@example.com", "bob@example.com", "4111 1111 1111 1111", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
WORD = "tr0ub4dor3xQ9"
"""A value that is a word of the tenant in prose and a secret as a password."""
SCANNER = Scanner(ScanOptions(words={"PROJECT": (WORD,)}))
MEMO = FindingsMemo(SCANNER, 10_000)
KEY = b"k" * 32
NOTHING = Obligations()


class Forgetful(History):
    """Knows nothing: every message is taken apart."""

    def recall(self, body: Json, walk: Walk) -> tuple[list[Recalled], list[Any]]:
        messages = body.get("messages")
        others = messages if type(messages) is list else []
        for index, message in enumerate(others):
            walk.over_message(index, message)
        return [], others


def tenant(history: History | None = None, key: bytes = KEY) -> Tenant:
    clean = Clean(CleanTexts(1_000), CleanWords(1_000))
    return Tenant(scanner=SCANNER, memo=MEMO, key=key, clean=clean, history=history or History(10_000))


def forgetful(key: bytes = KEY) -> Tenant:
    return tenant(Forgetful(0), key)


def user(content: Any, **more: Any) -> Json:
    return {"role": "user", "content": content, **more}


def call(arguments: str, name: str = "send") -> Json:
    return {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}]}


def shown(tenant: Tenant, text: str) -> str:
    content: str = Inspection(tenant, {"messages": [user(text)]}).assemble(NOTHING, Destination.MODEL)["messages"][0]["content"]
    return content


TOKEN = shown(forgetful(), MAIL)
WORDS = [MAIL, OTHER, CARD, "hello", "é\U0001f600", "<EMAIL", "_", '"', "\\", "\n", WORD]
ODD_WORDS = [SECRET, f"password={WORD}", TOKEN, TOKEN[:-3], TOKEN.strip("<>").replace("EMAIL_ADDRESS", "redacted"), "<SECRET>"]
texts = st.lists(st.sampled_from(WORDS * 3 + ODD_WORDS), max_size=5).map(" ".join)
arguments = st.one_of(
    st.dictionaries(
        st.sampled_from(["to", "card", "ssn", MAIL]), texts | st.sampled_from([4111111111111111, 1, None, [MAIL, {"x": CARD}]]), max_size=3
    ).flatmap(lambda value: st.sampled_from([json.dumps(value), json.dumps(value, ensure_ascii=False), json.dumps(value).replace("a", "\\u0061")])),
    texts,
)
messages = st.one_of(
    st.builds(user, texts),
    st.builds(lambda text: {"role": "assistant", "content": text}, texts),
    st.builds(lambda text: {"role": "tool", "tool_call_id": "call_1", "content": text}, texts | arguments),
    st.builds(call, arguments),
    st.builds(call, arguments, st.sampled_from(["send", MAIL])),
    st.builds(lambda one, two: user([{"type": "text", "text": one}, {"type": "text", "text": two}]), texts, texts),
    st.builds(lambda text: {**call(text), "content": text, "name": MAIL}, texts),
    st.builds(lambda text: user([{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]), texts),
    st.builds(lambda text: user([text]), texts),
    st.builds(lambda text: user("x", own={"card": [text, 4111111111111111]}), texts),
    st.builds(lambda text: {"role": "user", "content": text, MAIL: text}, texts),
    st.builds(lambda text: {"role": "assistant", "content": text, "reasoning_content": text, "refusal": text}, texts),
    texts,
)
PARAMETERS: list[Json] = [
    {},
    {},
    {},
    {"metadata": {"note": MAIL, "card": CARD}},
    {"user": TOKEN},
    {"tools": [{"type": "function", "function": {"name": f"f{TOKEN[15:32]}"}}]},
]
obligations = st.builds(
    lambda model, record, caller: Obligations(
        reveal={Destination.MODEL: frozenset(model), Destination.RECORD: frozenset(record), Destination.CALLER: frozenset(caller)}
    ),
    *[st.sampled_from([(), (), ("EMAIL_ADDRESS",), ("CREDIT_CARD", "PROJECT"), ("*",), ("SECRET", "EMAIL_ADDRESS")])] * 3,
)


def everything(inspection: Inspection, granted: Obligations, regranted: Obligations) -> list[Any]:
    """All that an inspection says and shows, as it follows one another on the path of an intent, then under other obligations."""
    said: list[Any] = [inspection.findings, inspection.unscanned, inspection.redact([f"{MAIL} is {WORD}", {"ssn": CARD}], granted, Destination.RECORD)]
    for asked in (granted, regranted):
        sent = inspection.assemble(asked, Destination.MODEL)
        said += [orjson.dumps(sent), list(inspection.redactions.items()), orjson.dumps(inspection.assemble(asked, Destination.RECORD))]
        said.append(inspection.redact(sent, asked, Destination.RECORD))
        echo = orjson.dumps([sent.get("messages"), sent.get("metadata")]).decode() + f" eve@example.com {WORD} {CARD} {MAIL} {SECRET}"
        answer = inspection.inspect_answer({"choices": [{"index": 0, "message": {"content": echo, **call(echo)}, "finish_reason": "stop"}]})
        said += [answer.findings, answer.for_caller(asked), answer.redactions, answer.for_record(asked)]
        stream = inspection.stream(asked)
        cut = len(echo) // 2
        said += [stream.push({"choices": [{"index": 0, "delta": {"content": part}, "finish_reason": None}]}) for part in (echo[:cut], echo[cut:])]
        stream.close()
        said += [stream.findings, stream.redactions, stream.record_choices(), stream.caller_choices()]
    return said


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_conversation_that_is_known_is_shown_as_one_that_is_new(data: st.DataObject) -> None:
    known = [tenant(), tenant(History(12)), tenant(key=b"other")]
    conversation: list[Any] = []
    for _ in range(data.draw(st.integers(1, 5))):
        new: list[Any] = data.draw(st.lists(messages, min_size=1, max_size=3))
        edited: bool = data.draw(st.booleans())
        if conversation and edited:
            place = data.draw(st.integers(0, len(conversation) - 1))
            conversation[place : place + data.draw(st.integers(0, 1))] = new
        else:
            conversation += new
        more: Json = data.draw(st.sampled_from(PARAMETERS))
        body = {"model": "assistant", "messages": conversation, **more}
        granted, regranted = data.draw(obligations), data.draw(obligations)
        raw = copy.deepcopy(body)
        for one in known:
            expected = everything(Inspection(forgetful(one.key), copy.deepcopy(raw)), granted, regranted)
            assert everything(Inspection(one, body), granted, regranted) == expected
            assert body == raw


@pytest.fixture
def known() -> Tenant:
    return tenant()


def seen(tenant: Tenant, messages: list[Json]) -> list[Json]:
    shown: list[Json] = Inspection(tenant, {"messages": messages}).assemble(NOTHING, Destination.MODEL)["messages"]
    return shown


def test_a_message_that_comes_again_is_not_scanned(known: Tenant) -> None:
    conversation = [user(f"to {MAIL}"), call(json.dumps({"to": OTHER, "n": 4111111111111111})), user([{"type": "text", "text": CARD}])]
    first = seen(known, conversation)
    hits, misses = MEMO.hits, MEMO.misses
    assert seen(known, [user("new"), *copy.deepcopy(conversation)])[1:] == first
    assert MEMO.hits + MEMO.misses == hits + misses


def test_what_is_found_is_counted_where_the_message_stands_now(known: Tenant) -> None:
    message = user(f"{MAIL} {OTHER}")
    for place in (0, 3, 12, 3):
        findings = Inspection(known, {"messages": [user("x")] * place + [message]}).findings
        assert [(one.count, one.where) for one in findings] == [(2, f"messages[{place}].content")]


def test_a_literal_placeholder_anywhere_keeps_a_known_message_from_having_it(known: Tenant) -> None:
    assert seen(known, [user(MAIL)]) == [user(TOKEN)]
    for other in (user(TOKEN), call(json.dumps({"to": TOKEN})), {"role": "user", "content": "", TOKEN: 1}, user([TOKEN])):
        both = seen(known, [user(MAIL), other])
        assert both[0]["content"] != TOKEN
        assert both[1] == other
        assert seen(known, [user(MAIL)]) == [user(TOKEN)]


def test_a_value_that_is_a_secret_in_another_message_is_one_in_a_known_message_too(known: Tenant) -> None:
    assert seen(known, [user(WORD)])[0]["content"].startswith("<PROJECT_")
    assert seen(known, [user(WORD), user(f"password={WORD}")])[0]["content"] == "<SECRET>"


def test_no_text_of_a_message_is_kept() -> None:
    history = History(1_000)
    seen(tenant(history), [user(f"secretly {MAIL}", name="x"), call(json.dumps({"to": OTHER})), user("y", own={"chosen": CARD})])
    kept = repr([[known.texts, known.counts(0), known._tokens] for known in history._young.values()])
    assert TOKEN in kept
    assert not any(word in kept for word in ("secretly", MAIL, OTHER, CARD, "chosen"))


def test_what_is_kept_is_bounded_in_messages_and_in_findings() -> None:
    history = History(100)
    one = tenant(history)
    for number in range(200):
        seen(one, [user(f"message {number}")])
        assert history.entries <= 50
    for number in range(200):
        seen(one, [user(f"{number} " + f"{MAIL} " * 23)])
    assert history.entries <= 4
    size = history.entries
    assert seen(one, [user(f"{MAIL} " * 200)])[0]["content"].count(TOKEN) == 200
    assert history.entries <= size


def test_what_comes_again_takes_no_more_room() -> None:
    history = History(100)
    one = tenant(history)
    conversation = [user(f"{number} {MAIL}") for number in range(10)]
    for _ in range(20):
        seen(one, conversation)
    assert history.entries == 10
