"""With an OPA server for an engine, policy fails closed through the whole gateway: whatever the server does, at both hooks, for every way to answer."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.policy import opa_engine
from gateway.capabilities.policy.bundle import load_bundle
from gateway.domain import Hook
from gateway.testing import ALLOW_ALL, LocalGateway, Reply, local_gateway
from tests.servers.false_opa import WRONG, FalseOpa, false_opa, json_of
from tests.servers.opa_server import OpaProcess

SCRIPT = "rules: [{reply: 'the unmistakable answer of the model', chunks: 4}]"
MODES = ("plain", "pass", "buffered")
READS_ANSWER = 'package gateway.answer\n\nverdict := {"outcome": "allow"} if input.answer.text != "never"\n'
SECONDS = 30.0
LOOKS = 600


def policies_in(folder: Path, mode: str = "plain") -> Path:
    (policies := folder / "rego").mkdir()
    for name, text in {**ALLOW_ALL, **({"answer.rego": READS_ANSWER} if mode == "buffered" else {})}.items():
        (policies / name).write_text(text)
    return policies


@asynccontextmanager
async def gateway_on(folder: Path, url: str, policies: Path, *, fallback: str = "none", timeout_ms: int = 400) -> AsyncIterator[LocalGateway]:
    engine = f"reload_s: 0.1, engine: opa, opa: {{url: '{url}', timeout_ms: {timeout_ms}, fallback: {fallback}}}"
    async with local_gateway(folder, SCRIPT, policies=policies, changes={"reload_s: 0.1": engine}) as local:
        yield local


async def record_of(local: LocalGateway, reply: Reply) -> dict[str, dict[str, Any]]:
    return {entry["kind"]: entry["facts"] for entry in await local.entries() if entry["intent_id"] == reply.headers["x-gateway-record"]}


async def until(local: LocalGateway, status: str) -> dict[str, Any]:
    """What readiness says once it says ``status``."""
    ready: dict[str, Any] = {}
    for _ in range(LOOKS):
        ready = (await local.get("/readyz")).json
        if ready["status"] == status:
            return ready
        await asyncio.sleep(0.05)
    pytest.fail(f"not {status}: {ready}")


@asynccontextmanager
async def failing(folder: Path, mode: str) -> AsyncIterator[tuple[LocalGateway, FalseOpa]]:
    policies = policies_in(folder, mode)
    async with false_opa(load_bundle(policies).revision) as opa, gateway_on(folder, opa.url, policies) as local:
        yield local, opa


async def well_again(local: LocalGateway, opa: FalseOpa) -> None:
    """One fault does not count against the next."""
    opa.by_hook.clear()
    local.provider.requests.clear()
    if local.gateway.services.policy.opa is not None:
        assert (await local.gateway.services.policy.opa.look()).reachable


def with_revision(opa: FalseOpa, name: str, says: bytes) -> bytes:
    return json_of({"result": {"outcome": "allow", "more": "a" * 70_000}}, opa.revision) if name == "a huge verdict" else says


@pytest.mark.parametrize("mode", MODES)
async def test_at_the_intent_hook_the_upstream_receives_nothing(tmp_path: Path, mode: str) -> None:
    async with failing(tmp_path, mode) as (local, opa):
        for wrong in WRONG:
            await well_again(local, opa)
            opa.by_hook[Hook.INTENT] = with_revision(opa, wrong.name, wrong.says)
            reply = await local.ask("hello", stream=mode != "plain")
            assert (wrong.name, reply.status, local.provider.requests) == (wrong.name, 403, [])
            assert reply.json["error"]["code"] == "policy_denied"
            assert [reason["rule"] for reason in reply.json["gateway"]["reasons"]] == [wrong.rule]
            record = await record_of(local, reply)
            assert (wrong.name, record["closed"]["state"], record["closed"]["reason"]) == (wrong.name, "refused", wrong.rule)
            assert (record["opened"]["decision"]["outcome"], record["opened"]["decision"]["engine"]) == ("deny", "opa")
            assert b"jane" not in reply.body


@pytest.mark.parametrize("mode", MODES)
async def test_at_the_answer_hook_no_content_is_released_or_the_finish_becomes_an_error(tmp_path: Path, mode: str) -> None:
    async with failing(tmp_path, mode) as (local, opa):
        for wrong in WRONG:
            await well_again(local, opa)
            opa.by_hook[Hook.ANSWER] = with_revision(opa, wrong.name, wrong.says)
            reply = await local.ask("hello", stream=mode != "plain")
            record = await record_of(local, reply)
            assert (wrong.name, record["closed"]["state"], record["closed"]["reason"]) == (wrong.name, "refused", wrong.rule)
            assert record["closed"]["decision"]["engine"] == "opa"
            assert len(local.provider.requests) == 1
            if mode == "pass":
                assert (wrong.name, reply.status, reply.done) == (wrong.name, 200, False)
                assert reply.events[-1]["error"]["code"] == "policy_denied"
            else:
                assert (wrong.name, reply.status, b"unmistakable" in reply.body) == (wrong.name, 403, False)


async def test_a_verdict_of_the_server_is_what_counts_and_stands_on_record_and_in_metrics(tmp_path: Path) -> None:
    async with failing(tmp_path, "plain") as (local, opa):
        reply = await local.ask("hello")
        assert reply.status == 200
        record = await record_of(local, reply)
        assert [record[kind]["decision"]["engine"] for kind in ("opened", "closed")] == ["opa", "opa"]
        assert {record[kind]["decision"]["revision"] for kind in ("opened", "closed")} == {opa.revision}
        assert (await local.get("/readyz")).json["policy"]["opa"] == {
            "reachable": True, "error": None, "decides": True, "revisions": [opa.revision], "fallback": "none"
        }  # fmt: skip
        opa.by_hook[Hook.INTENT] = json_of({"result": {"outcome": "deny"}}, opa.revision)
        local.gateway.services.policy.opa.confirms = lambda _: False  # type: ignore[union-attr, method-assign] # nothing from memory
        assert (await local.ask("hello")).status == 403
        assert b'gateway_opa_requests_total{result="ok"} 3.0' in (await local.get("/metrics")).body


async def test_a_server_of_another_revision_makes_the_gateway_unready_until_it_has_this_one(tmp_path: Path) -> None:
    policies = policies_in(tmp_path)
    async with false_opa("another") as opa, gateway_on(tmp_path, opa.url, policies) as local:
        ready = await local.get("/readyz")
        assert (ready.status, ready.json["policy"]["opa"]["decides"]) == (503, False)
        reply = await local.ask("hello")
        assert reply.status == 403
        assert "another revision" in reply.json["gateway"]["reasons"][0]["message"]
        opa.revision = load_bundle(policies).revision
        assert (await until(local, "ready"))["policy"]["opa"]["decides"]
        assert (await local.ask("hello")).status == 200


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opa_engine, "LOOK_S", 0.1)


@pytest.mark.services
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("mode", MODES)
async def test_a_real_server_is_killed_and_comes_back(tmp_path: Path, mode: str) -> None:
    policies = policies_in(tmp_path, mode)
    process = OpaProcess(tmp_path)
    try:
        async with gateway_on(tmp_path, process.url, policies, timeout_ms=5_000) as local:
            assert (await local.get("/readyz")).status == 503, "a gateway may start before its server"
            assert (await local.ask("hello")).status == 403
            for _ in range(2):
                await asyncio.to_thread(process.start, policies)
                await until(local, "ready")
                reply = await local.ask("hello", stream=mode != "plain")
                assert (reply.status, "unmistakable" in reply.text) == (200, True)
                process.stop()
                ready = await until(local, "unready")
                assert ready["policy"]["opa"] == {**ready["policy"]["opa"], "reachable": False, "decides": False, "fallback": "none"}
                local.provider.requests.clear()
                refused = await local.ask("hello", stream=mode != "plain")
                assert (refused.status, local.provider.requests) == (403, [])
                assert (await record_of(local, refused))["closed"]["reason"] == "policy.unavailable"
    finally:
        process.stop()


@pytest.mark.services
@pytest.mark.usefixtures("quick")
async def test_with_a_fallback_the_last_good_bundle_decides_and_readiness_says_degraded(tmp_path: Path) -> None:
    policies = policies_in(tmp_path)
    process = OpaProcess(tmp_path)
    try:
        await asyncio.to_thread(process.start, policies)
        async with gateway_on(tmp_path, process.url, policies, fallback="embedded", timeout_ms=5_000) as local:
            await until(local, "ready")
            for engine, change in (("opa", lambda: None), ("embedded", process.stop), ("opa", lambda: process.start(policies))):
                await asyncio.to_thread(change)
                await until(local, "ready" if engine == "opa" else "degraded")
                reply = await local.ask("hello")
                record = await record_of(local, reply)
                assert (reply.status, (await local.get("/readyz")).status) == (200, 200)
                assert [record[kind]["decision"]["engine"] for kind in ("opened", "closed")] == [engine, engine]
                assert {record[kind]["decision"]["revision"] for kind in ("opened", "closed")} == {local.gateway.services.policy.revision}
            assert b"gateway_opa_fallbacks_total{" in (await local.get("/metrics")).body
    finally:
        process.stop()


@pytest.mark.services
@pytest.mark.usefixtures("quick")
async def test_a_server_that_hangs_costs_a_few_calls_their_time_and_then_none(tmp_path: Path) -> None:
    policies = policies_in(tmp_path)
    process = OpaProcess(tmp_path)
    try:
        await asyncio.to_thread(process.start, policies)
        async with gateway_on(tmp_path, process.url, policies, timeout_ms=300) as local:
            await until(local, "ready")
            process.pause(signal.SIGSTOP)
            replies = [await local.ask(f"hello {number}") for number in range(20)]
            assert {reply.status for reply in replies[5:]} == {403}
            requests = (await local.get("/metrics")).body.decode()
            asked = {
                result: float(value)
                for result, value in (line.split('result="')[1].split('"} ') for line in requests.splitlines() if "opa_requests_total{" in line)
            }
            assert asked.get("timeout", 0.0) <= opa_engine.LIMITS.failures
            assert asked["breaker_open"] >= 10
            process.pause(signal.SIGCONT)
            await until(local, "ready")
            assert (await local.ask("hello")).status == 200
    finally:
        process.stop()


@pytest.mark.services
@pytest.mark.usefixtures("quick")
async def test_a_new_policy_goes_live_with_the_server_and_refuses_nobody_meanwhile(tmp_path: Path) -> None:
    policies = policies_in(tmp_path)
    process = OpaProcess(tmp_path)
    try:
        await asyncio.to_thread(process.start, policies, watch=True)
        async with gateway_on(tmp_path, process.url, policies, timeout_ms=5_000) as local:
            await until(local, "ready")
            first = local.gateway.services.policy.revision
            (policies / "intent.rego").write_text(ALLOW_ALL["intent.rego"] + "\n# a second revision\n")
            async with asyncio.timeout(SECONDS):
                while local.gateway.services.policy.revision == first:
                    assert (await local.ask("hello")).status == 200
            between = await local.ask("hello")
            assert (between.status, (await record_of(local, between))["opened"]["decision"]["revision"]) == (200, first)
            await asyncio.to_thread(process.load, policies)
            seen = first
            async with asyncio.timeout(SECONDS):
                while seen == first:
                    reply = await local.ask("hello")
                    assert reply.status == 200
                    seen = (await record_of(local, reply))["opened"]["decision"]["revision"]
            assert seen == local.gateway.services.policy.revision
    finally:
        process.stop()
