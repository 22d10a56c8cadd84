from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from gateway.simulated.server import SimulatedProvider

ASKED: dict[str, Any] = {"model": "simulated-1", "messages": [{"role": "user", "content": "hello"}]}


async def post(provider: SimulatedProvider, body: Any = None, path: str = "/chat/completions", **options: Any) -> tuple[int, str, bytes]:
    async with aiohttp.ClientSession() as session, session.post(provider.base_url + path, data=orjson.dumps(body or ASKED), **options) as response:
        return response.status, response.content_type, await response.read()


async def test_the_first_rule_that_matches_answers_and_an_echo_where_none_does() -> None:
    script = "rules: [{when: {contains: nothing of it}, reply: a}, {when: {header: {x-trial: '1'}}, reply: b}, {when: {header: {X-Trial: '1'}}, reply: c}]"
    async with SimulatedProvider(script) as provider:
        assert orjson.loads((await post(provider, headers={"X-Trial": "1"}))[2])["choices"][0]["message"]["content"] == "b"
        assert orjson.loads((await post(provider))[2])["choices"][0]["message"]["content"] == "hello"


async def test_a_fault_can_stop_after_some_times() -> None:
    async with SimulatedProvider("rules: [{fault: {status: 503, times: 2}}]") as provider:
        assert [(await post(provider))[0] for _ in range(4)] == [503, 503, 200, 200]


async def said(provider: SimulatedProvider, **more: Any) -> Any:
    return orjson.loads((await post(provider, {**ASKED, **more}))[2])["choices"][0]["message"]["content"]


async def test_replies_come_in_order_and_the_last_one_stays() -> None:
    async with SimulatedProvider("rules: [{replies: [first, '{echo} again', last]}]") as provider:
        assert [await said(provider) for _ in range(5)] == ["first", "hello again", "last", "last", "last"]


async def test_a_fault_uses_up_no_reply() -> None:
    async with SimulatedProvider("rules: [{replies: [first, last], fault: {status: 500, times: 1}}]") as provider:
        assert (await post(provider))[0] == 500
        assert [await said(provider) for _ in range(3)] == ["first", "last", "last"]


async def test_a_rule_can_answer_some_times_only() -> None:
    async with SimulatedProvider("rules: [{reply: one, times: 2}, {when: {response_format: json_object}, reply: '{}'}]") as provider:
        assert [await said(provider) for _ in range(3)] == ["one", "one", "hello"]
        assert await said(provider, response_format={"type": "json_object"}) == "{}"


async def test_a_good_answer_can_say_the_wrong_thing_some_times() -> None:
    async with SimulatedProvider("rules: [{reply: '{\"total\": 12}', fault: {content: fenced, times: 1}}]") as provider:
        fenced = await said(provider)
        assert '```json\n{"total": 12}\n```' in fenced
        assert await said(provider) == '{"total": 12}'


async def test_models_are_listed_and_nothing_else_is_served() -> None:
    async with SimulatedProvider("models: [one, two]") as provider, aiohttp.ClientSession() as session:
        async with session.get(provider.base_url + "/models") as response:
            assert [model["id"] for model in (await response.json())["data"]] == ["one", "two"]
        async with session.get(provider.base_url.removesuffix("/v1") + "/log") as response:
            assert response.status == 404
        assert (await post(provider, path="/completions"))[0] == 404


async def test_a_body_that_is_not_json_is_refused_as_a_real_provider_does() -> None:
    async with SimulatedProvider() as provider, aiohttp.ClientSession() as session:
        response = await session.post(provider.base_url + "/chat/completions", data=b"{")
        assert (response.status, (await response.json())["error"]["code"]) == (400, "invalid_json")


async def test_every_request_is_logged_as_it_came_before_it_is_answered(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    body = {**ASKED, "user": "Grüße \ud83d".encode(errors="replace").decode()}
    async with SimulatedProvider("rules: [{fault: {status: 500}}]", log=log) as provider:
        await post(provider, body)
        (line,) = log.read_bytes().splitlines()
        assert orjson.loads(line)["body"].encode() == orjson.dumps(body) == provider.requests[0].body
        assert orjson.loads(line).keys() == {"at_ns", "path", "body"}


async def test_a_static_answer_is_made_once_and_an_echo_each_time() -> None:
    async with SimulatedProvider("rules: [{when: {contains: hello}, reply: always the same}]") as provider:
        assert await post(provider) == await post(provider)
        other = {**ASKED, "messages": [{"role": "user", "content": "other"}]}
        assert await post(provider, other) != await post(provider, other)
        several = await post(provider, {**ASKED, "n": 2})
        assert len(orjson.loads(several[2])["choices"]) == 2


async def test_a_stream_comes_at_its_pace() -> None:
    async with SimulatedProvider("rules: [{chunks: 1, pace_ms: 10, first_token_ms: 30}]") as provider, aiohttp.ClientSession() as session:
        asked = orjson.dumps({**ASKED, "stream": True})
        started = asyncio.get_running_loop().time()
        async with session.post(provider.base_url + "/chat/completions", data=asked) as response:
            reads = [data async for data in response.content.iter_any()]
        assert len(reads) > 3
        assert asyncio.get_running_loop().time() - started >= 0.1
        assert reads[-1].endswith(b"data: [DONE]\n\n")
