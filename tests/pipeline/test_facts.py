"""Decision inputs on record: replayable where nothing was found, redacted where something was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.testing import ALLOW_ALL, LocalGateway, local_gateway

ALL_OF_IT = """package gateway.{hook}

import rego.v1

default verdict := {{"outcome": "allow", "reasons": [], "obligations": {{"reveal": {{"record": []}}}}}}

verdict := {{"outcome": "deny"}} if input == {{}}
"""
READS_EVERYTHING = {"intent.rego": ALL_OF_IT.format(hook="intent"), "answer.rego": ALL_OF_IT.format(hook="answer")}


def contents(local: LocalGateway) -> list[bytes]:
    with local.gateway.database.read() as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT content FROM entries WHERE content IS NOT NULL ORDER BY seq").fetchall()]


async def test_an_input_without_findings_is_kept_as_it_was_evaluated(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, policies=READS_EVERYTHING) as local:
        await local.ask("hello there")
        opened, closed = (orjson.loads(content)["decision_input"] for content in contents(local))
        assert opened["request"]["messages"] == [{"role": "user", "content": "hello there"}]
        assert (opened["hook"], closed["hook"], closed["answer"]["text"]) == ("intent", "answer", "hello there")


@pytest.mark.parametrize("stream", [False, True])
async def test_no_value_is_left_in_an_input_that_a_policy_reads_as_a_whole(tmp_path: Path, stream: bool) -> None:
    script = "rules: [{reply: 'ask john.roe@example.net or {echo}', tool_calls: [{name: mail, arguments: {to: 'john.roe@example.net'}}]}]"
    async with local_gateway(tmp_path, script, policies=READS_EVERYTHING) as local:
        body: dict[str, Any] = {"user": "jane.doe@example.com", "metadata": {"jane.doe@example.com": "jane.doe@example.com"}, "stop": ["jane.doe@example.com"]}
        reply = await local.ask("jane.doe@example.com", stream=stream, tools=[{"type": "function", "function": {"name": "mail"}}], **body)
        assert reply.status == 200
        kept = b"".join(contents(local))
        assert b"EMAIL_ADDRESS" in kept
        assert b"jane.doe" not in kept
        assert b"john.roe" not in kept


@pytest.mark.parametrize("text", ["hello", "hello jane.doe@example.com"])
async def test_no_media_that_nobody_scanned_is_kept_for_a_policy_that_reads_messages(tmp_path: Path, text: str) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"}}
    async with local_gateway(tmp_path, policies=READS_EVERYTHING) as local:
        reply = await local.chat({"model": "assistant", "messages": [{"role": "user", "content": [{"type": "text", "text": text}, image]}]})
        assert reply.status == 403
        assert b"iVBORw0KGgo" not in b"".join(contents(local))


async def test_the_smallest_policies_keep_no_content_in_decision_inputs(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, policies=ALLOW_ALL) as local:
        await local.ask("hello there")
        assert all(orjson.loads(content)["decision_input"] == {} for content in contents(local))
