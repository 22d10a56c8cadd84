from __future__ import annotations

import orjson
import pytest

from gateway.simulated.answers import DONE, event
from gateway.simulated.faults import Close, Hang, Reset, spoil, wrong_content
from gateway.simulated.script import FAULTS, Fault, Rule

WHOLE = [orjson.dumps({"choices": [{"message": {"content": "hello"}}]})]
STREAM = [event({"choices": [{"delta": {"content": text}}]}) for text in ("one", "two", "three", "four")] + [DONE]


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in FAULTS.items() for value in values or (100_000,) if kind != "status"])
@pytest.mark.parametrize("stream", [False, True])
def test_no_fault_leaves_an_answer_as_it_was(kind: str, value: str | int, stream: bool) -> None:
    good = ("text/event-stream", STREAM) if stream else ("application/json", WHOLE)
    if kind != "content" and value not in {"before", "header"}:  # these come before there is an answer
        assert spoil(Fault(kind=kind, value=value), list(good[1]), stream=stream) != good


@pytest.mark.parametrize("parts", [WHOLE, STREAM])
def test_faults_in_the_middle_come_after_some_of_the_answer(parts: list[bytes]) -> None:
    for fault, ending in ((Fault(kind="reset", value="middle"), Reset), (Fault(kind="cut", value="close"), Close)):
        _, spoiled = spoil(fault, parts, stream=len(parts) > 1)
        sent = b"".join(part for part in spoiled if isinstance(part, bytes))
        assert b"".join(parts).startswith(sent)
        assert sent
        assert isinstance(spoiled[-1], ending)


def test_a_slow_answer_is_whole_in_the_end() -> None:
    for value in ("first_token", "middle"):
        _, spoiled = spoil(Fault(kind="slow", value=value, hang_s=2.0), STREAM, stream=True)
        assert [part.seconds for part in spoiled if isinstance(part, Hang)] == [2.0]
        assert [part for part in spoiled if isinstance(part, bytes)] == STREAM


@pytest.mark.parametrize("parts", [WHOLE, STREAM])
def test_a_huge_answer_is_a_good_one(parts: list[bytes]) -> None:
    _, spoiled = spoil(Fault(kind="huge", value=100_000), parts, stream=len(parts) > 1)
    sent = b"".join(part for part in spoiled if isinstance(part, bytes))
    assert len(sent) > 98_000
    if len(parts) == 1:
        assert orjson.loads(sent)["choices"][0]["message"]["content"].endswith("hello")


@pytest.mark.parametrize("value", FAULTS["content"])
def test_wrong_content_is_not_the_reply_of_the_rule(value: str) -> None:
    rule = Rule(reply='{"total": 12}', logprobs=(-0.1,))
    spoiled = wrong_content(Fault(kind="content", value=value), rule)
    assert spoiled.reply != rule.reply
    assert spoiled.logprobs == rule.logprobs
    assert spoiled.finish_reason == ("length" if value == "half" else None)
