"""What the intent policy is told, and what of its verdict the gateway itself must enforce."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.testing import ALLOW_ALL, LocalGateway, local_gateway
from tests.pipeline.rego import intent_says, obliged

IMAGE = [
    {"type": "text", "text": "what is this"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"}},
]

QUOTES = """package gateway.intent

import rego.v1

verdict := {
	"outcome": "deny",
	"reasons": [{"rule": sprintf("no %v", [input.request.messages[0].content]), "message": sprintf("not for %v", [input.request.messages[0].content])}],
	"obligations": {},
}
"""
LABELS = QUOTES.replace('"deny"', '"allow"').replace('"obligations": {}', '"obligations": {"labels": {"who": input.request.messages[0].content}}')


async def entry(local: LocalGateway, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(entry for entry in await local.entries() if entry["kind"] == kind)
    return found


@pytest.mark.parametrize(("allowed", "status"), [(False, 403), (True, 200)])
async def test_what_nobody_could_scan_needs_an_allow_of_its_own(tmp_path: Path, allowed: bool, status: int) -> None:
    async with local_gateway(tmp_path, policies=intent_says(obliged(allow_unscanned=allowed))) as local:
        reply = await local.chat({"model": "assistant", "messages": [{"role": "user", "content": IMAGE}]})
        assert reply.status == status
        assert len(local.provider.requests) == int(allowed)
        facts = (await entry(local, "opened"))["facts"]
        assert facts["unscanned"] == [{"where": "messages[0].content", "kind": "image"}]
        assert (await entry(local, "closed"))["facts"]["reason"] == (None if allowed else "policy.unscanned")


@pytest.mark.parametrize(("routes", "status"), [(["assistant"], 200), (["assistant", "other"], 200), (["assistant-large"], 403), ([], 403)])
async def test_only_a_granted_route_may_serve(tmp_path: Path, routes: list[str], status: int) -> None:
    async with local_gateway(tmp_path, policies=intent_says(obliged(routes=routes))) as local:
        reply = await local.chat({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]})
        assert reply.status == status
        assert len(local.provider.requests) == int(status == 200)
        if status == 403:
            assert reply.json["gateway"]["reasons"][0]["rule"] == "policy.route"


async def test_labels_of_the_verdict_stand_in_the_answer_and_on_record(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, policies=intent_says(obliged(labels={"desk": "north"}))) as local:
        reply = await local.ask("hello")
        assert reply.json["gateway"]["labels"] == {"desk": "north"}
        assert (await entry(local, "opened"))["facts"]["decision"]["obligations"]["labels"] == {"desk": "north"}


@pytest.mark.parametrize(("policy", "status"), [(QUOTES, 403), (LABELS, 200)])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_verdict_that_quotes_content_shows_no_value(tmp_path: Path, policy: str, status: int, stream: bool) -> None:
    async with local_gateway(tmp_path, policies={**ALLOW_ALL, "intent.rego": policy}) as local:
        reply = await local.ask("jane.doe@example.com AKIAUJZDEGXDNCF32EPF", stream=stream)
        assert reply.status == status
        assert b"AKIAUJZ" not in reply.body
        if status == 403:
            assert "<EMAIL_ADDRESS_" in reply.json["error"]["message"]
            assert b"jane.doe" not in reply.body
        entries = orjson.dumps(await local.entries())
        assert b"jane.doe" not in entries
        assert b"AKIAUJZ" not in entries


async def test_the_decision_stands_on_record_with_its_input_redacted(tmp_path: Path) -> None:
    reads = {**ALLOW_ALL, "intent.rego": QUOTES.replace('"deny"', '"allow"').replace('sprintf("no %v", [input.request.messages[0].content])', '"a"')}
    async with local_gateway(tmp_path, policies=reads) as local:
        await local.ask("write to jane.doe@example.com")
        with local.gateway.database.read() as connection:
            contents = [row[0] for row in connection.exec_driver_sql("SELECT content FROM entries WHERE kind = 'opened'")]
        decision_input = orjson.loads(contents[0])["decision_input"]
        assert decision_input["request"]["messages"][0]["content"].startswith("write to <EMAIL_ADDRESS_")
