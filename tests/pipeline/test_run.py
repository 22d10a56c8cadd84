"""The path as a whole: what the caller gets, what the target saw, what the record says, for success and every way to fail."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from gateway.testing import LocalGateway, Routing, local_gateway
from tests.pipeline.rego import answer_says, intent_says

DENY = {"outcome": "deny", "reasons": [{"rule": "closed_today", "message": "we are closed today"}], "obligations": {}}

FAULTS = [
    # the provider's fault, status without a stream, its code, whether a stream breaks before its first event
    ("{status: 429, retry_after: 7}", 429, "upstream.rate_limited", True),
    ("{status: 500}", 502, "upstream.unavailable", True),
    ("{status: 400}", 400, "upstream.rejected", True),
    ("{status: 401}", 502, "upstream.rejected", True),
    ("{reset: before}", 502, "upstream.unavailable", True),
    ("{malformed: html}", 502, "upstream.malformed", True),
    ("{malformed: content_type}", 502, "upstream.malformed", True),
    ("{malformed: error_body}", 502, "upstream.malformed", True),
    ("{slow: header}", 504, "upstream.timeout", True),
]
BROKEN_STREAMS = ["{reset: middle}", "{cut: no_finish}", "{malformed: error_event}", "{slow: middle}"]


def script(fault: str) -> str:
    return f"rules: [{{name: faulty, reply: 'one two three four five six', chunks: 4, pace_ms: 5, fault: {fault}}}]"


async def closed(local: LocalGateway) -> list[dict[str, object]]:
    return [entry for entry in await local.entries() if entry["kind"] == "closed"]


async def test_an_allowed_intent_is_answered_and_its_record_is_durable_by_then(local: LocalGateway) -> None:
    reply = await local.ask("hello there")
    assert (reply.status, reply.text) == (200, "hello there")
    entries = await local.entries()
    assert [entry["kind"] for entry in entries if entry["intent_id"] == reply.headers["x-gateway-record"]] == ["opened", "closed"]
    assert entries[-1]["facts"]["state"] == "completed"
    assert entries[-1]["facts"]["attempts"][0]["usage"]["estimated"] is False


async def test_every_header_is_there_and_the_body_says_what_the_gateway_did(local: LocalGateway) -> None:
    reply = await local.ask("write to jane.doe@example.com")
    added = reply.json["gateway"]
    assert reply.headers["x-gateway-decision"] == "allow"
    assert (reply.headers["x-gateway-route"], reply.headers["x-gateway-target"]) == ("assistant", "simulated")
    assert reply.headers["x-gateway-trace"] == added["trace"]
    assert added["redactions"]["model"] == {"EMAIL_ADDRESS": 1}
    assert added["cost_microusd"] is not None


async def test_what_is_hidden_from_the_model_is_restored_for_the_caller(local: LocalGateway) -> None:
    reply = await local.ask("write to jane.doe@example.com")
    seen = local.provider.requests[0].body
    assert b"jane.doe" not in seen
    assert b"<EMAIL_ADDRESS_" in seen
    assert reply.text == "write to jane.doe@example.com"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_denied_intent_never_reaches_the_target_and_the_rule_is_named(tmp_path: Path, stream: bool) -> None:
    async with local_gateway(tmp_path, policies=intent_says(DENY)) as local:
        reply = await local.ask("hello", stream=stream)
        assert (reply.status, reply.json["error"]["code"], reply.json["error"]["type"]) == (403, "policy_denied", "policy_denied")
        assert "we are closed today (closed_today)" in reply.json["error"]["message"]
        assert reply.headers["x-should-retry"] == "false"
        assert local.provider.requests == []
        facts = (await closed(local))[0]["facts"]
        assert (facts["state"], facts["reason"], facts["http_status"]) == ("refused", "closed_today", 403)  # type: ignore[index]


async def test_a_denied_answer_is_not_released_and_the_record_says_why(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, policies=answer_says(DENY)) as local:
        reply = await local.ask("a sentence to echo")
        assert reply.status == 403
        assert b"a sentence to echo" not in reply.body
        assert (await closed(local))[0]["facts"]["reason"] == "closed_today"  # type: ignore[index]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "status", "code", "_early"), FAULTS)
async def test_a_target_that_fails_before_content_gives_a_status_and_a_record(
    tmp_path: Path, fault: str, status: int, code: str, _early: bool, stream: bool
) -> None:
    limits = "{connect_s: 1, first_token_s: 0.3, total_s: 0.6}"
    async with local_gateway(tmp_path, script(fault), routing=Routing(limits=limits)) as local:
        reply = await local.ask("hello", stream=stream)
        assert (reply.status, reply.json["error"]["code"]) == (status, code)
        facts = (await closed(local))[0]["facts"]
        assert (facts["state"], facts["reason"], facts["attempts"][0]["error"]) == ("failed", code, code)  # type: ignore[index]
        if status == 429:
            assert reply.headers["retry-after"] == "7"


@pytest.mark.parametrize("fault", BROKEN_STREAMS)
async def test_a_stream_that_breaks_ends_with_an_error_event_and_no_end_mark(tmp_path: Path, fault: str) -> None:
    limits = "{connect_s: 1, first_token_s: 2, total_s: 0.8}"
    async with local_gateway(tmp_path, script(fault), routing=Routing(limits=limits)) as local:
        reply = await local.ask("hello", stream=True)
        assert reply.status == 200
        assert not reply.done
        assert reply.events[-1]["error"]["code"].startswith("upstream.")
        facts = (await closed(local))[0]["facts"]
        assert facts["state"] == "failed"  # type: ignore[index]
        assert all(choice["finish_reason"] is None for event in reply.events[:-1] for choice in event["choices"])


async def test_an_unknown_model_is_not_found_and_on_record(local: LocalGateway) -> None:
    reply = await local.chat({"model": "no-such-model", "messages": [{"role": "user", "content": "hello"}]})
    assert (reply.status, reply.json["error"]["code"], reply.json["error"]["param"]) == (404, "model_not_found", "model")
    assert (await closed(local))[0]["facts"]["state"] == "refused"  # type: ignore[index]


async def test_an_unknown_key_leaves_no_record(local: LocalGateway) -> None:
    reply = await local.ask("hello", key="gw_unknown_0123456789")
    assert (reply.status, reply.json["error"]["code"]) == (401, "invalid_api_key")
    assert await local.entries() == []


async def test_without_a_database_nothing_is_answered_and_it_recovers_by_itself(local: LocalGateway, tmp_path: Path) -> None:
    assert (await local.ask("before")).status == 200
    for name in ("gateway.db", "gateway.db-wal", "gateway.db-shm"):
        if (tmp_path / name).exists():
            (tmp_path / name).rename(tmp_path / (name + ".away"))
    reply = await local.ask("a sentence to echo")
    assert (reply.status, reply.json["error"]["code"]) == (503, "record_unavailable")
    assert b"a sentence to echo" not in reply.body
    assert (await local.get("/readyz")).status == 503
    for name in ("gateway.db", "gateway.db-wal", "gateway.db-shm"):
        if (tmp_path / (name + ".away")).exists():
            (tmp_path / (name + ".away")).rename(tmp_path / name)
    replies = [(await local.ask("after")).status for _ in range(2)]
    assert replies[-1] == 200


async def test_a_caller_who_leaves_cancels_the_upstream_call_and_the_record_says_so(tmp_path: Path) -> None:
    slow = "rules: [{reply: 'one two three four five six seven eight', chunks: 4, pace_ms: 200}]"
    async with local_gateway(tmp_path, slow) as local:
        await local.chat({"model": "assistant", "stream": True, "messages": [{"role": "user", "content": "x"}]}, leave_after=1)
        facts = (await closed(local))[0]["facts"]
        assert (facts["state"], facts["reason"]) == ("cancelled", "caller.gone")  # type: ignore[index]
        assert local.gateway.services.limits.running == 0


async def test_a_caller_who_leaves_while_it_is_refused_leaves_nothing_in_flight(tmp_path: Path) -> None:
    async with local_gateway(tmp_path) as local:
        await local.chat({"model": "no-such-model", "messages": [{"role": "user", "content": "x"}]}, leave_after=0)
        rendered, _ = local.gateway.services.metrics.render()
        assert b"gateway_intents_in_flight 0.0" in rendered
        assert local.gateway.services.limits.running == 0
    # The gateway has stopped, so what it had begun to write is written.
    assert [entry["facts"]["state"] for entry in await closed(local)] == ["refused"]  # type: ignore[index]


async def test_requests_with_duplicate_keys_reach_the_target_as_they_were_judged(local: LocalGateway) -> None:
    body = b'{"model":"assistant","messages":[{"role":"user","content":"jane.doe@example.com","content":"second"}],"x":1,"x":2}'
    assert (await local.chat(body)).status == 200
    assert orjson.loads(local.provider.requests[0].body)["messages"] == [{"role": "user", "content": "second"}]
    assert local.provider.requests[0].body.count(b'"content"') == 1
