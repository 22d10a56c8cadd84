"""Policy fails closed through the whole gateway: every fault of the engine, on both hooks, for plain answers and streams of both modes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.capabilities.policy.problems import PolicyError
from gateway.domain import Hook
from gateway.testing import ALLOW_ALL, LocalGateway, Reply, local_gateway
from tests.capabilities.policy.faults import FAULTS, Fault, FaultyDecider

ANSWER = "the unmistakable answer of the model"
SCRIPT = f"rules: [{{reply: '{ANSWER}', chunks: 4}}]"
MODES = ("plain", "pass", "buffered")


def _says(value: Any) -> Callable[[], Any]:
    return lambda: value


def _reason(rule: Any, message: Any) -> Callable[[], Any]:
    return _says({"outcome": "deny", "reasons": [{"rule": rule, "message": message}]})


# What no Rego can say today, should an engine say it all the same. The rule is what the record must name.
ENGINE_SAYS = (
    Fault(name="a lone surrogate in a reason's message", rule="policy.malformed", raises=_reason("a", "b\ud800c")),
    Fault(name="a lone surrogate in a reason's rule", rule="policy.malformed", raises=_reason("a\ud800b", "c")),
    Fault(name="a line break and a control character in a reason", rule="a\r\nb", raises=_reason("a\r\nb", "c\x00\x1f")),
    Fault(name="NaN as a number", rule="policy.malformed", raises=_says({"outcome": "allow", "obligations": {"max_tokens": float("nan")}})),
    Fault(name="infinity as a number", rule="policy.malformed", raises=_says({"outcome": "allow", "obligations": {"retention_days": float("inf")}})),
    Fault(name="a lone surrogate as an outcome", rule="policy.malformed", raises=_says({"outcome": "\ud800"})),
    Fault(name="secrets among others", rule="policy.malformed", raises=_says({"outcome": "allow", "obligations": {"reveal": {"caller": ["*", "SECRET"]}}})),
    Fault(name="an outcome of bytes", rule="policy.malformed", raises=_says({"outcome": b"allow"})),
    Fault(name="keys that are numbers", rule="policy.malformed", raises=_says({1: "allow"})),
    Fault(name="a reason that is empty", rule="policy.malformed", raises=_reason("", "")),
    Fault(name="ten thousand reasons", rule="policy.malformed", raises=_says({"outcome": "deny", "reasons": [{"rule": "a", "message": "b"}] * 10_000})),
)  # fmt: skip
ALL = (*FAULTS, *ENGINE_SAYS)


class BufferingDecider(FaultyDecider):
    """Fails like the other, and reads the content of answers."""

    @property
    def reads_answer_content(self) -> bool:
        return True


@asynccontextmanager
async def failing(folder: Path, hook: Hook, mode: str) -> AsyncIterator[Callable[[Fault], LocalGateway]]:
    """A gateway, and what makes its policy fail in a chosen way."""
    async with local_gateway(folder, SCRIPT) as local:

        def fail(fault: Fault) -> LocalGateway:
            local.provider.requests.clear()
            kind = BufferingDecider if mode == "buffered" else FaultyDecider
            object.__setattr__(local.gateway.services, "policy", kind(fault, hook))
            return local

        yield fail


def error_of(reply: Reply) -> dict[str, Any]:
    error: dict[str, Any] = (reply.events[-1] if reply.headers["content-type"].startswith("text/event-stream") else reply.json)["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert (error["type"], error["code"]) == ("policy_denied", "policy_denied")
    return error


async def record_of(local: LocalGateway, reply: Reply) -> dict[str, dict[str, Any]]:
    return {entry["kind"]: entry["facts"] for entry in await local.entries() if entry["intent_id"] == reply.headers["x-gateway-record"]}


def test_there_are_more_than_twenty_five_faults() -> None:
    assert len({fault.name for fault in ALL}) == len(ALL) >= 25


@pytest.mark.parametrize("mode", MODES)
async def test_at_the_intent_hook_the_upstream_receives_nothing(tmp_path: Path, mode: str) -> None:
    async with failing(tmp_path, Hook.INTENT, mode) as fail:
        for fault in ALL:
            local = fail(fault)
            reply = await local.ask("hello", stream=mode != "plain")
            assert (fault.name, reply.status) == (fault.name, 403)
            assert (fault.name, local.provider.requests) == (fault.name, [])
            error_of(reply)
            record = await record_of(local, reply)
            assert (fault.name, record["closed"]["state"], record["closed"]["reason"]) == (fault.name, "refused", fault.rule)
            assert record["opened"]["decision"]["outcome"] == "deny"
            assert reply.json["gateway"]["reasons"][0]["message"]
            assert record["closed"]["attempts"] == []
        assert local.gateway.services.limits.running == 0


@pytest.mark.parametrize("mode", MODES)
async def test_at_the_answer_hook_no_content_is_released_or_the_finish_becomes_an_error(tmp_path: Path, mode: str) -> None:
    async with failing(tmp_path, Hook.ANSWER, mode) as fail:
        for fault in ALL:
            local = fail(fault)
            reply = await local.ask("hello", stream=mode != "plain")
            late = fault.timeout_s == 0  # then the other hook is too late as well
            record = await record_of(local, reply)
            assert (fault.name, record["closed"]["state"], record["closed"]["reason"]) == (fault.name, "refused", fault.rule)
            assert record["opened" if late else "closed"]["decision"]["outcome"] == "deny"
            assert len(local.provider.requests) == int(not late)
            error_of(reply)
            if mode == "pass" and not late:
                assert (fault.name, reply.status, reply.done) == (fault.name, 200, False)
                assert all(choice["finish_reason"] is None for event in reply.events[:-1] for choice in event["choices"])
                assert not any("gateway" in event for event in reply.events)
            else:
                assert (fault.name, reply.status) == (fault.name, 403)
                assert b"unmistakable" not in reply.body
        assert local.gateway.services.limits.running == 0
        assert local.gateway.services.models["simulated"].client.in_use == 0


BAD_FILES = {
    "endless": """package gateway.intent

import rego.v1

verdict := {"outcome": "allow"} if {
	count([1 | some a in numbers.range(1, 20000); some b in numbers.range(1, 20000); a == b]) > 0
}
""",
    "not Rego": "package",
    "unknown function": 'package gateway.intent\n\nimport rego.v1\n\nverdict := {"outcome": "allow"} if no.such(1)\n',
    "no hook": 'package gateway.other\n\nimport rego.v1\n\nverdict := {"outcome": "allow"}\n',
    "deleted": None,
}


@pytest.mark.parametrize("name", BAD_FILES)
async def test_a_bad_policy_does_not_start(tmp_path: Path, name: str) -> None:
    text = BAD_FILES[name]
    files = {**ALLOW_ALL, "intent.rego": text} if text is not None else {"answer.rego": ALLOW_ALL["answer.rego"]}
    with pytest.raises(PolicyError):
        async with local_gateway(tmp_path, policies=files, changes={"reload_s: 0.1": "reload_s: 0.1, trial_s: 1"}):
            pytest.fail("it started")


@pytest.mark.parametrize("name", BAD_FILES)
async def test_a_bad_policy_at_reload_leaves_the_last_good_one_and_says_so(tmp_path: Path, name: str) -> None:
    refuses = ALLOW_ALL["intent.rego"].replace('"allow"', '"deny"')
    async with local_gateway(tmp_path, policies={**ALLOW_ALL, "intent.rego": refuses}, changes={"reload_s: 0.1": "reload_s: 60, trial_s: 1"}) as local:
        file, text = tmp_path / "policies" / "intent.rego", BAD_FILES[name]
        file.unlink() if text is None else file.write_text(text)
        assert await local.gateway.services.policy.reload_if_changed()
        reply = await local.ask("hello")
        assert reply.status == 403
        assert local.provider.requests == []
        ready = await local.get("/readyz")
        assert (ready.status, ready.json["status"]) == (200, "degraded")
        assert orjson.loads(ready.body)["policy"]["reload_error"]
        assert b'gateway_policy_reloads_total{result="failed"} 1.0' in (await local.get("/metrics")).body
