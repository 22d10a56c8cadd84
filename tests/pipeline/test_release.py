"""A whole answer leaves: with what the gateway adds, and a digest on record that whoever has the answer can check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.capabilities.records.store import RecordStore
from gateway.testing import ALLOW_ALL, LocalGateway, Reply, local_gateway
from tests.pipeline.rego import READS_TEXT, answer_says, intent_says, obliged

CALLS = """rules: [{reply: 'mail {echo} now', chunks: 3, tool_calls: [{name: find, arguments: {to: '{echo}', n: 1}}]}]"""
MODES = {"plain": ALLOW_ALL, "pass": ALLOW_ALL, "buffered": READS_TEXT}


def got(reply: Reply) -> list[dict[str, Any]]:
    """The choices as a client has them in the end, in the form that is digested."""
    if not reply.headers["content-type"].startswith("text/event-stream"):
        message, finish = reply.json["choices"][0]["message"], reply.json["choices"][0]["finish_reason"]
        calls = [{"id": call["id"], "name": call["function"]["name"], "arguments": call["function"]["arguments"]} for call in message["tool_calls"]]
        return [{"index": 0, "content": message["content"], "refusal": None, "tool_calls": calls, "finish_reason": finish}]
    choice: dict[str, Any] = {"index": 0, "content": "", "refusal": None, "tool_calls": [], "finish_reason": None}
    for part in (part for event in reply.events for part in event.get("choices", ())):
        choice["content"] += part["delta"].get("content") or ""
        choice["finish_reason"] = part["finish_reason"] or choice["finish_reason"]
        for call in part["delta"].get("tool_calls") or ():
            if call.get("id"):
                choice["tool_calls"].append({"id": call["id"], "name": call["function"]["name"], "arguments": ""})
            choice["tool_calls"][-1]["arguments"] += call["function"].get("arguments") or ""
    return [choice]


@pytest.mark.parametrize("mode", MODES)
async def test_the_digest_on_record_is_that_of_what_the_caller_got(tmp_path: Path, mode: str) -> None:
    async with local_gateway(tmp_path, CALLS, policies=MODES[mode]) as local:
        tools = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]
        reply = await local.ask("jane.doe@example.com", stream=mode != "plain", tools=tools)
        choices = got(reply)
        assert choices[0]["content"] == "mail jane.doe@example.com now"
        assert orjson.loads(choices[0]["tool_calls"][0]["arguments"]) == {"to": "jane.doe@example.com", "n": 1}
        closed = RecordStore(local.gateway.database).show("acme", reply.headers["x-gateway-record"]).first("closed")
        assert closed is not None
        assert closed.matches("released", orjson.dumps(choices))
        choices[0]["content"] += "."
        assert not closed.matches("released", orjson.dumps(choices))
        assert closed.content["answer"][0]["content"].startswith("mail <EMAIL_ADDRESS_")


async def test_labels_of_both_verdicts_stand_in_the_gateway_object(tmp_path: Path) -> None:
    both = {**intent_says(obliged(labels={"a": "1", "b": "1"})), "answer.rego": answer_says(obliged(labels={"b": "2"}))["answer.rego"]}
    async with local_gateway(tmp_path, policies=both) as local:
        assert (await local.ask("hello")).json["gateway"]["labels"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize("mode", MODES)
async def test_log_probabilities_go_visibly_where_the_text_was_touched(tmp_path: Path, mode: str) -> None:
    async with local_gateway(tmp_path, policies=MODES[mode]) as local:
        for text, dropped in (("jane.doe@example.com", True), ("nobody", None)):
            reply = await local.ask(text, stream=mode != "plain", logprobs=True)
            added = reply.json["gateway"] if mode == "plain" else reply.events[-1]["gateway"]
            assert added.get("logprobs_dropped") is dropped
            assert (b'"token"' in reply.body) is (dropped is None)


async def test_a_refused_answer_has_no_digest_and_no_content_on_record(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, CALLS, policies=answer_says({"outcome": "deny"})) as local:
        reply = await local.ask("hello")
        closed = await closing(local, reply)
        assert "released" not in closed["digests"]
        assert closed["facts"]["decision"]["hook"] == "answer"


async def closing(local: LocalGateway, reply: Reply) -> dict[str, Any]:
    found: dict[str, Any] = next(
        entry for entry in await local.entries() if entry["kind"] == "closed" and entry["intent_id"] == reply.headers["x-gateway-record"]
    )
    return found
