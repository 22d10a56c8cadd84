"""An answer that a person has judged or written goes on as any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.pipeline.draft import person_standing, written
from tests.pipeline.desk import at_answer, desk, escalates

BODY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "simulated-1",
    "usage": {"total_tokens": 3},
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "a", "tool_calls": [{"id": "c"}]}, "logprobs": {"content": []}, "finish_reason": "tool_calls"},
        {"index": 1, "message": {"role": "assistant", "content": None, "refusal": "no"}, "finish_reason": "length"},
    ],
}


def test_what_a_person_wrote_takes_the_place_of_all_that_the_model_said() -> None:
    body = written(BODY, ["x", "y"])
    assert [choice["message"] for choice in body["choices"]] == [{"role": "assistant", "content": text, "refusal": None} for text in "xy"]
    assert [(choice["index"], choice["finish_reason"], choice["logprobs"]) for choice in body["choices"]] == [(0, "stop", None), (1, "stop", None)]
    assert (body["id"], body["usage"]) == ("chatcmpl-1", {"total_tokens": 3})
    assert BODY["choices"][0]["message"]["content"] == "a"  # type: ignore[index]  # a literal of many types
    with pytest.raises(ValueError, match="shorter"):
        written(BODY, ["x"])


def test_no_score_says_how_far_a_person_can_be_trusted() -> None:
    standing = person_standing("k1")
    assert (standing.author, standing.person, standing.confidence, dict(standing.signals), standing.fallback) == ("k1", True, None, {}, False)


async def test_an_accepted_answer_leaves_as_it_would_have_left(tmp_path: Path) -> None:
    """Restored for its caller, with what is known of it: tokens, finish, redactions, confidence, tool calls."""
    script = "rules: [{reply: 'mail {echo}', usage: {input: 12, output: 7}, tool_calls: [{name: find, arguments: {to: '{echo}'}}]}]"
    tools = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]
    policies = at_answer(when='input.intent.surface == "chat"')
    async with desk(tmp_path, policies, script, assistant="{target: simulated, retries: {max: 0}, confidence: {}}") as people:
        case = await people.park("jane.doe@example.com", tools=tools)
        await case.accept()
        body = await case.answer()
        message = body["choices"][0]["message"]
        assert message["content"] == "mail jane.doe@example.com"
        assert "jane.doe@example.com" in message["tool_calls"][0]["function"]["arguments"]
        assert (body["choices"][0]["finish_reason"], body["usage"]["total_tokens"]) == ("tool_calls", 19)
        assert body["gateway"]["redactions"]["model"] == {"EMAIL_ADDRESS": 1}
        assert body["gateway"]["target"] == "simulated"


async def test_the_answer_policy_sees_the_person_and_what_the_model_was_asked_stays_known(tmp_path: Path) -> None:
    script = "rules: [{reply: '{echo}'}]"
    sees = 'input.answer.source == "model"'
    async with desk(tmp_path, {**at_answer(), "answer.rego": escalates("answer", when=sees)}, script) as people:
        case = await people.park("hello")
        await case.accept("edit", content="better")
        body = await case.answer()
        assert body["gateway"]["attempts"] == 1
        closed = case.record().first("closed")
        assert closed is not None
        (decided,) = closed.content["decision_inputs"][-1:]
        assert decided["answer"]["source"] == "person"
