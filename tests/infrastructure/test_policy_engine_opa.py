"""Whatever a server on the other end does is a value or an ``EngineError`` that quotes nothing, and the input goes nowhere else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from gateway.infrastructure.policy_engine_embedded import UNDEFINED, EngineError
from gateway.infrastructure.policy_engine_opa import OpaOptions, OpaServer
from tests.servers.false_opa import HANG, WRONG, FalseOpa, Wrong, false_opa, http, json_of
from tests.servers.opa_server import OpaProcess

RULE = "data.gateway.intent.verdict"
INPUT = '{"subject":{"id":"jane@example.com","teams":["größe"]},"n":18446744073709551615}'
AS_ASKED = [one for one in WRONG if "revision" not in one.name]
"""What the border itself sees: whose revision it was is for the engine above it to judge."""


@asynccontextmanager
async def server_of(url: str, **options: object) -> AsyncIterator[OpaServer]:
    server = OpaServer(OpaOptions(url=url, **{"timeout_s": 0.3, **options}))  # type: ignore[arg-type] # of a table
    await server.start()
    try:
        yield server
    finally:
        await server.close()


async def fault_of(opa: FalseOpa, said: bytes) -> EngineError:
    opa.says = said
    async with server_of(opa.url) as server:
        with pytest.raises(EngineError) as caught:
            await server.ask(RULE, INPUT)
    return caught.value


async def test_an_input_goes_out_as_it_is_and_a_verdict_comes_back_with_its_revision() -> None:
    async with false_opa("r1") as opa, server_of(opa.url, token="s3cret") as server:
        value, revisions = await server.ask(RULE, INPUT)
        (asked,) = opa.asked
    assert value == {"outcome": "allow", "obligations": {}}
    assert revisions == {"r1"}
    assert asked.path == "/v1/data/gateway/intent/verdict?strict-builtin-errors=true&provenance=true"
    assert orjson.loads(asked.body) == {"input": orjson.loads(INPUT)}
    assert asked.body == b'{"input":' + INPUT.encode() + b"}"
    assert asked.headers["authorization"] == "Bearer s3cret"
    assert asked.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("value", [{}, [], None, False, 0, "allow", {"outcome": 1}])
async def test_a_value_of_any_type_is_handed_on(value: object) -> None:
    async with false_opa() as opa, server_of(opa.url) as server:
        opa.says = json_of({"result": value}, "r1")
        assert (await server.ask(RULE, "{}")).value == value


async def test_no_result_is_undefined() -> None:
    async with false_opa() as opa, server_of(opa.url) as server:
        opa.says = json_of({}, "r1")
        answer = await server.ask(RULE, "{}")
    assert answer.value is UNDEFINED
    assert answer.revisions == {"r1"}


@pytest.mark.parametrize(
    "provenance", [None, [], {}, {"bundles": []}, {"bundles": {"a": 1}}, {"bundles": {"a": {"revision": 7}, "b": {}, "c": {"revision": ""}}}]
)
async def test_odd_provenance_names_no_revision(provenance: object) -> None:
    async with false_opa() as opa, server_of(opa.url) as server:
        opa.says = json_of({"result": {}, "provenance": provenance})
        assert (await server.ask(RULE, "{}")).revisions == frozenset()


@pytest.mark.parametrize("wrong", AS_ASKED, ids=lambda wrong: wrong.name)
async def test_whatever_goes_wrong_is_a_fault_of_its_kind_that_quotes_nothing(wrong: Wrong, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with false_opa() as opa:
        fault = await fault_of(opa, wrong.says)
    assert fault.kind == wrong.kind
    for words in (str(fault), fault.detail, caplog.text):
        assert "jane" not in words
        assert "allow" not in words
    assert fault.__cause__ is None


async def test_an_evaluation_that_failed_tells_where_in_the_policy() -> None:
    async with false_opa() as opa:
        faults = {wrong.name: await fault_of(opa, wrong.says) for wrong in WRONG if wrong.kind == "error"}
    assert (faults["an evaluation that failed"].file, faults["an evaluation that failed"].line) == ("limits.rego", 7)
    assert (faults["two verdicts at once"].file, faults["two verdicts at once"].line) == ("", 0)


async def test_nobody_there_is_unavailable_and_so_is_a_server_that_was_not_started() -> None:
    async with false_opa() as opa:
        url = opa.url
    async with server_of(url) as server:
        with pytest.raises(EngineError, match="unavailable"):
            await server.ask(RULE, INPUT)
    with pytest.raises(EngineError, match="unavailable"):
        await server.ask(RULE, INPUT)
    with pytest.raises(EngineError, match="unavailable"):
        await OpaServer(OpaOptions(url=url)).ask(RULE, INPUT)


async def test_nothing_is_asked_twice() -> None:
    async with false_opa() as opa:
        for wrong in AS_ASKED:
            opa.asked.clear()
            await fault_of(opa, wrong.says)
            assert (wrong.name, len(opa.asked)) == (wrong.name, 1)


async def test_a_redirect_carries_the_input_nowhere() -> None:
    async with false_opa() as opa, false_opa() as stranger:
        for status in (301, 302, 303, 307, 308):
            await fault_of(opa, http(status, b"", "text/plain", f"Location: {stranger.url}/v1/data/gateway/intent/verdict"))
    assert stranger.asked == []


async def test_cookies_are_not_kept() -> None:
    async with false_opa() as opa, server_of(opa.url) as server:
        opa.says = http(200, b'{"result": 1}', "application/json", "Set-Cookie: who=jane; Path=/")
        for _ in range(2):
            await server.ask(RULE, "{}")
    assert [asked.headers.get("cookie") for asked in opa.asked] == [None, None]


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with false_opa() as opa, false_opa() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        async with server_of(opa.url) as server:
            await server.ask(RULE, "{}")
    assert (len(opa.asked), proxy.asked) == (1, [])


async def test_a_call_that_is_cancelled_leaves_the_next_one_alone() -> None:
    async with false_opa("r1") as opa, server_of(opa.url, timeout_s=5.0) as server:
        opa.by_hook["answer"] = HANG
        waiting = asyncio.create_task(server.ask("data.gateway.answer.verdict", "{}"))
        await opa.came.wait()
        waiting.cancel()
        assert (await server.ask(RULE, "{}")).revisions == {"r1"}
        with pytest.raises(asyncio.CancelledError):
            await waiting


@pytest.mark.parametrize("url", ["http://[::1]:9", "https://127.0.0.1:9", "http://opa.invalid"])
async def test_every_form_of_address_is_taken(url: str) -> None:
    async with server_of(url) as server:
        with pytest.raises(EngineError) as caught:
            await server.ask(RULE, "{}")
    assert caught.value.kind in {"unavailable", "timeout"}


@pytest.mark.services
async def test_a_real_server_answers_to_its_token_alone(tmp_path: Path) -> None:
    (policies := tmp_path / "policies").mkdir()
    (policies / "intent.rego").write_text('package gateway.intent\n\nverdict := {"outcome": "allow", "n": 1 / input.n}\n')
    process = OpaProcess(tmp_path, token="right").start(policies, "r1")
    try:
        for token in ("wrong", None):
            async with server_of(process.url, token=token, timeout_s=5.0) as server:
                with pytest.raises(EngineError, match="unavailable"):
                    await server.ask(RULE, '{"n": 2}')
        async with server_of(process.url, token="right", timeout_s=5.0) as server:
            answer = await server.ask(RULE, '{"n": 2}')
            assert answer.value["outcome"] == "allow"
            assert answer.revisions == {"r1"}
            assert (await server.ask(RULE, "{}")).value is UNDEFINED
            with pytest.raises(EngineError) as caught:
                await server.ask(RULE, '{"n": 0}')
        assert (caught.value.kind, Path(caught.value.file).name, caught.value.line) == ("error", "intent.rego", 3)
    finally:
        process.stop()
