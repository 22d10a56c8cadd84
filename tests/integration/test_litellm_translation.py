"""litellm's own translation, held to what reaches a server of the provider's protocol and to what comes out of our client."""

from __future__ import annotations

import base64
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from gateway.errors import UpstreamError, UpstreamMalformed, UpstreamRateLimited, UpstreamRejected, UpstreamUnavailable
from gateway.infrastructure.model_client import ModelRequest, TargetOptions
from gateway.infrastructure.model_litellm import LitellmClient
from gateway.simulated.server import SimulatedProvider
from tests.servers.anthropic_wire import AnthropicWire
from tests.servers.gemini_wire import GeminiWire
from tests.servers.provider_wire import Fault, ProviderWire, Said

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "The weather", "parameters": PARAMETERS}}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
FORMAT = {"type": "json_schema", "json_schema": {"name": "thing", "strict": True, "schema": SCHEMA}}
SYSTEM = {"role": "system", "content": "Be brief."}
HI = {"role": "user", "content": "Hi"}
MODELS = {AnthropicWire: ("anthropic", "claude-sonnet-4-5"), GeminiWire: ("gemini", "gemini-2.5-flash")}
BOTH = pytest.mark.parametrize("kind", list(MODELS))
WAYS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@asynccontextmanager
async def serving(kind: type[ProviderWire], said: Said | None = None, fault: Fault | None = None, model: str | None = None) -> AsyncIterator[Any]:
    provider, usual = MODELS[kind]
    async with kind(said, fault) as wire:
        client = LitellmClient(TargetOptions(name="there", base_url=wire.base_url, model=model or usual, api_key="k-test"), provider)
        await client.start()
        yield wire, client
        assert client.in_use == 0
        await client.close()


async def ask(client: LitellmClient, *, stream: bool = False, **more: Any) -> dict[str, Any]:
    """The first choice of the answer, put together from its chunks where it is streamed, and its usage."""
    body = {"model": "m", "messages": [SYSTEM, HI], **more, **({"stream": True, "stream_options": {"include_usage": True}} if stream else {})}
    request = ModelRequest(body, orjson.dumps(body))
    if not stream:
        answer = (await client.complete(request)).body
        return {
            **answer["choices"][0]["message"],
            "finish_reason": answer["choices"][0]["finish_reason"],
            "usage": answer.get("usage"),
            "all": answer["choices"],
        }
    whole: dict[str, Any] = {"content": "", "calls": {}, "usage": None, "finish_reason": None}
    async with await client.open_stream(request) as chunks:
        async for batch in chunks:
            for chunk in batch:
                whole["usage"] = chunk.get("usage") or whole["usage"]
                for choice in chunk["choices"]:
                    _add(whole, choice)
    calls = [{"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["said"]}} for call in whole["calls"].values()]
    return {**whole, "tool_calls": calls}


def _add(whole: dict[str, Any], choice: dict[str, Any]) -> None:
    whole["content"] += choice["delta"].get("content") or ""
    whole["finish_reason"] = choice["finish_reason"] or whole["finish_reason"]
    for piece in choice["delta"].get("tool_calls") or []:
        call = whole["calls"].setdefault(piece["index"], {"id": None, "name": None, "said": ""})
        call["id"] = piece.get("id") or call["id"]
        call["name"] = piece["function"].get("name") or call["name"]
        call["said"] += piece["function"].get("arguments") or ""


@WAYS
@BOTH
async def test_text_and_usage_come_out_as_they_were_said(kind: type[ProviderWire], stream: bool) -> None:
    async with serving(kind, Said(text="Grüße, 世界 🙂 and more", tokens=(40, 9), cached=30)) as (_, client):
        answer = await ask(client, stream=stream)
    assert (answer["content"], answer["finish_reason"]) == ("Grüße, 世界 🙂 and more", "stop")
    counts = answer["usage"]
    assert (counts["prompt_tokens"], counts["completion_tokens"], counts["total_tokens"]) == (40, 9, 49)
    assert counts["prompt_tokens_details"]["cached_tokens"] == 30


@pytest.mark.parametrize(("kind", "stop"), [(AnthropicWire, "max_tokens"), (GeminiWire, "MAX_TOKENS")])
@WAYS
async def test_an_answer_that_was_cut_by_its_limit_says_length(kind: type[ProviderWire], stop: str, stream: bool) -> None:
    async with serving(kind, Said(stop=stop)) as (_, client):
        assert (await ask(client, stream=stream))["finish_reason"] == "length"


@WAYS
async def test_anthropic_gets_system_sampling_and_stop_in_its_own_words(stream: bool) -> None:
    async with serving(AnthropicWire) as (wire, client):
        await ask(client, stream=stream, temperature=0.3, top_p=0.9, stop=["END", "STOP"], max_completion_tokens=50, user="u-1")
    assert wire.body["system"] == [{"type": "text", "text": "Be brief."}]
    assert wire.body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    assert (wire.body["temperature"], wire.body["top_p"], wire.body["stop_sequences"], wire.body["max_tokens"]) == (0.3, 0.9, ["END", "STOP"], 50)
    assert (wire.body["model"], wire.body.get("stream", False), wire.body["metadata"]) == ("claude-sonnet-4-5", stream, {"user_id": "u-1"})
    assert wire.headers["x-api-key"] == "k-test"


@WAYS
async def test_gemini_gets_system_sampling_and_stop_in_its_own_words(stream: bool) -> None:
    async with serving(GeminiWire) as (wire, client):
        await ask(client, stream=stream, temperature=0.3, top_p=0.9, stop=["END"], max_tokens=50, seed=7)
    path, query, headers, body = wire.requests[0]
    assert path == f"/models/gemini-2.5-flash:{'streamGenerateContent' if stream else 'generateContent'}"
    assert query == ({"alt": "sse"} if stream else {})
    assert headers["x-goog-api-key"] == "k-test"
    assert body["system_instruction"] == {"parts": [{"text": "Be brief."}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]
    assert body["generationConfig"] == {"temperature": 0.3, "top_p": 0.9, "stop_sequences": ["END"], "max_output_tokens": 50, "seed": 7}


@WAYS
@BOTH
async def test_tools_are_offered_and_called(kind: type[ProviderWire], stream: bool) -> None:
    said = Said(text="Let me see.", calls=(("weather", {"city": 'Oslo, "the one"'}), ("weather", {"city": "Bergen"})))
    async with serving(kind, said) as (wire, client):
        answer = await ask(client, stream=stream, tools=TOOLS, tool_choice="auto")
    assert (answer["content"], answer["finish_reason"]) == ("Let me see.", "tool_calls")
    assert [(call["type"], call["function"]["name"], orjson.loads(call["function"]["arguments"])["city"]) for call in answer["tool_calls"]] == [
        ("function", "weather", 'Oslo, "the one"'),
        ("function", "weather", "Bergen"),
    ]
    assert len({call["id"] for call in answer["tool_calls"]}) == 2
    if kind is AnthropicWire:
        assert [(tool["name"], tool["description"], tool["input_schema"]) for tool in wire.body["tools"]] == [("weather", "The weather", PARAMETERS)]
        assert wire.body["tool_choice"] == {"type": "auto"}
    else:
        assert wire.body["tools"] == [{"function_declarations": [{"name": "weather", "description": "The weather", "parameters": PARAMETERS}]}]
        assert wire.body["toolConfig"] == {"functionCallingConfig": {"mode": "AUTO"}}


@WAYS
@BOTH
async def test_results_of_tools_go_back_to_their_calls(kind: type[ProviderWire], stream: bool) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    history = [SYSTEM, HI, {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "call_1", "content": "rain"}]
    async with serving(kind, Said(text="It rains.")) as (wire, client):
        answer = await ask(client, stream=stream, tools=TOOLS, messages=history)
    assert answer["content"] == "It rains."
    if kind is AnthropicWire:
        asked, result = wire.body["messages"][1:]
        assert asked == {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"}}]}
        assert result == {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "rain"}]}
    else:
        asked, result = wire.body["contents"][1:]
        assert [(part["function_call"]["name"], part["function_call"]["args"]) for part in asked["parts"]] == [("weather", {"city": "Oslo"})]
        assert result["parts"][0]["function_response"]["name"] == "weather"
        assert "rain" in orjson.dumps(result["parts"][0]["function_response"]["response"]).decode()


@WAYS
@BOTH
async def test_an_image_arrives_whole(kind: type[ProviderWire], stream: bool) -> None:
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}]
    async with serving(kind, Said(text="A dot.")) as (wire, client):
        assert (await ask(client, stream=stream, messages=[{"role": "user", "content": content}]))["content"] == "A dot."
    if kind is AnthropicWire:
        assert wire.body["messages"][0]["content"][1] == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    else:
        assert wire.body["contents"][0]["parts"][1] == {"inline_data": {"data": PIXEL, "mime_type": "image/png"}}


@BOTH
async def test_an_image_elsewhere_is_not_fetched(kind: type[ProviderWire]) -> None:
    async with serving(kind) as (wire, client):
        content = [{"type": "image_url", "image_url": {"url": f"{wire.base_url}/secret.png"}}]
        with pytest.raises(UpstreamRejected) as refused:
            await ask(client, messages=[{"role": "user", "content": content}])
    assert (refused.value.http_status, refused.value.param, wire.requests) == (400, "messages[0]", [])


async def test_gemini_gives_several_choices() -> None:
    async with serving(GeminiWire, Said(text="one", more=("two", "three"))) as (wire, client):
        answer = await ask(client, n=3)
        with pytest.raises(UpstreamRejected) as refused:
            await ask(client, stream=True, n=3)
    assert [(choice["index"], choice["message"]["content"], choice["finish_reason"]) for choice in answer["all"]] == [
        (0, "one", "stop"),
        (1, "two", "stop"),
        (2, "three", "stop"),
    ]
    assert wire.body["generationConfig"]["candidate_count"] == 3
    assert (refused.value.http_status, refused.value.param) == (400, "n")


@WAYS
@pytest.mark.parametrize("more", [{"n": 2}, {"logprobs": True}, {"seed": 7}, {"presence_penalty": 1}, {"logit_bias": {"1": 2}}, {"metadata": {"a": "b"}}])
async def test_what_anthropic_does_not_know_is_refused_and_not_dropped(more: dict[str, Any], stream: bool) -> None:
    async with serving(AnthropicWire) as (wire, client):
        with pytest.raises(UpstreamRejected) as refused:
            await ask(client, stream=stream, **more)
    assert (refused.value.http_status, [refused.value.param], wire.requests) == (400, list(more), [])


async def test_gemini_gives_log_probabilities() -> None:
    async with serving(GeminiWire, Said(text="yes", logprobs=True)) as (wire, client):
        answer = await ask(client, logprobs=True)
        with pytest.raises(UpstreamRejected) as refused:
            await ask(client, logprobs=True, top_logprobs=2)
    assert refused.value.param == "top_logprobs"
    assert wire.body["generationConfig"] == {"responseLogprobs": True}
    first = answer["all"][0]["logprobs"]["content"][0]
    assert (first["token"], first["logprob"], first["top_logprobs"][0]["logprob"]) == ("yes", -0.25, -0.25)


@WAYS
@pytest.mark.parametrize(
    ("kind", "model"),
    [(AnthropicWire, "claude-sonnet-4-5"), (AnthropicWire, "claude-3-haiku-20240307"), (GeminiWire, "gemini-2.5-flash")],
    ids=["output format", "tool", "gemini"],
)
async def test_a_schema_is_sent_and_the_answer_is_plain_content(kind: type[ProviderWire], model: str, stream: bool) -> None:
    async with serving(kind, Said(text='{"a":1}'), model=model) as (wire, client):
        answer = await ask(client, stream=stream, response_format=FORMAT)
    assert (orjson.loads(answer["content"]), answer["finish_reason"], answer.get("tool_calls") or []) == ({"a": 1}, "stop", [])
    if kind is GeminiWire:
        assert wire.body["generationConfig"] == {"response_mime_type": "application/json", "response_json_schema": SCHEMA}
    elif "output_format" in wire.body:
        assert wire.body["output_format"] == {"type": "json_schema", "schema": SCHEMA}
    else:
        assert wire.body["tool_choice"]["type"] == "tool"
        assert wire.body["tools"][0]["name"] == wire.body["tool_choice"]["name"]
        assert wire.body["tools"][0]["input_schema"]["properties"] == SCHEMA["properties"]


FAULTS: list[tuple[Fault, type[UpstreamError], int, dict[str, str]]] = [
    (Fault(status=429, headers={"retry-after": "7"}, kind="rate_limit_error"), UpstreamRateLimited, 429, {"Retry-After": "7"}),
    (Fault(status=529, kind="overloaded_error"), UpstreamUnavailable, 502, {}),
    (Fault(status=503, headers={"retry-after": "2"}), UpstreamUnavailable, 502, {"Retry-After": "2"}),
    (Fault(status=500), UpstreamUnavailable, 502, {}),
    (Fault(status=400, kind="invalid_request_error"), UpstreamRejected, 400, {}),
    (Fault(status=401, kind="authentication_error"), UpstreamRejected, 502, {}),
    (Fault(status=403, kind="permission_error"), UpstreamRejected, 502, {}),
    (Fault(status=404, kind="not_found_error"), UpstreamRejected, 502, {}),
    (Fault(status=413, kind="request_too_large"), UpstreamRejected, 413, {}),
    (Fault(reset=True), UpstreamUnavailable, 502, {}),
]


@WAYS
@BOTH
@pytest.mark.parametrize(("fault", "expected", "status", "headers"), FAULTS, ids=[str(row[0].status) for row in FAULTS])
async def test_a_failure_before_the_answer_comes_as_the_call_is_opened_and_is_asked_once(
    kind: type[ProviderWire], stream: bool, fault: Fault, expected: type[UpstreamError], status: int, headers: dict[str, str]
) -> None:
    async with serving(kind, fault=fault) as (wire, client):
        body = {"messages": [HI], **({"stream": True} if stream else {})}
        with pytest.raises(UpstreamError) as caught:
            await (client.open_stream if stream else client.complete)(ModelRequest(body, orjson.dumps(body)))
    assert type(caught.value) is expected
    assert (caught.value.http_status, caught.value.headers) == (status, headers)
    assert len(wire.requests) == 1


BROKEN = [
    (Fault(malformed=True), False, "upstream.malformed"),
    (Fault(malformed=True), True, "upstream.malformed"),
    (Fault(cut_after=20), False, "upstream.cut"),
    (Fault(cut_after=4), True, "upstream.cut"),
    (Fault(ends_after=4), True, "upstream.cut"),
    (Fault(error_event=True), True, "upstream.malformed"),
]


@BOTH
@pytest.mark.parametrize(("fault", "stream", "code"), BROKEN)
async def test_an_answer_that_breaks_off_is_never_taken_for_a_whole_one(kind: type[ProviderWire], fault: Fault, stream: bool, code: str) -> None:
    async with serving(kind, Said(text="one two three four five six seven"), fault) as (wire, client):
        with pytest.raises(UpstreamMalformed) as caught:
            await ask(client, stream=stream)
    assert caught.value.reason_code == code
    assert len(wire.requests) == 1


async def test_a_stream_that_is_cut_within_a_tool_call_has_no_finish() -> None:
    async with serving(AnthropicWire, Said(text="", calls=(("weather", {"city": "Oslo, far away"}),)), Fault(ends_after=5)) as (_, client):
        with pytest.raises(UpstreamMalformed) as caught:
            await ask(client, stream=True, tools=TOOLS)
    assert caught.value.reason_code == "upstream.cut"


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
async def test_texts_become_embeddings(encoding: str | None) -> None:
    body = {"model": "m", "input": ["one", "two"], "dimensions": 3, "encoding_format": encoding}
    async with serving(GeminiWire, model="text-embedding-004") as (wire, client):
        reply = await client.embed(ModelRequest(body, orjson.dumps(body)), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    texts = [[part["text"] for part in one["content"]["parts"]] for one in wire.body["requests"]]
    assert (wire.requests[0][0], texts) == ("/models/text-embedding-004:batchEmbedContents", [["one"], ["two"]])
    vectors = [entry["embedding"] for entry in reply.body["data"]]
    if encoding == "base64":
        vectors = [list(struct.unpack("<3f", base64.b64decode(vector))) for vector in vectors]
    assert vectors == [[0.5, -0.25, 0.0], [0.5, -0.25, 1.0]]
    assert "traceparent" in wire.headers
    assert orjson.loads(reply.raw) == reply.body


async def test_embeddings_fail_as_calls_do() -> None:
    body = {"model": "m", "input": "one"}
    async with serving(GeminiWire, fault=Fault(status=429, headers={"retry-after": "7"}), model="text-embedding-004") as (_, client):
        with pytest.raises(UpstreamRateLimited) as caught:
            await client.embed(ModelRequest(body, orjson.dumps(body)))
    assert caught.value.headers == {"Retry-After": "7"}
    async with serving(AnthropicWire) as (wire, client):
        with pytest.raises(UpstreamError):
            await client.embed(ModelRequest(body, orjson.dumps(body)))
    assert wire.requests == []


@pytest.mark.filterwarnings("ignore:Accessing the:DeprecationWarning")  # litellm's own; pytest takes back the filter that loading sets
@WAYS
@pytest.mark.parametrize("provider", ["openai", "mistral", "deepseek", "openrouter"])
async def test_providers_whose_own_library_makes_the_call_go_the_same_way(provider: str, stream: bool) -> None:
    script = "rules: [{when: {contains: limit}, fault: {status: 429, retry_after: 7}}, {when: {contains: cut}, fault: {cut: no_finish}}]"
    async with SimulatedProvider(script) as wire:
        client = LitellmClient(TargetOptions(name="there", base_url=wire.base_url, model="m-1", api_key="k-test"), provider, version="1.2.3")
        await client.start()
        assert (await ask(client, stream=stream, messages=[{"role": "user", "content": "Say it"}]))["content"] == "Say it"
        with pytest.raises(UpstreamRateLimited) as limited:
            await ask(client, stream=stream, messages=[{"role": "user", "content": "limit"}])
        with pytest.raises(UpstreamMalformed):
            await ask(client, stream=stream, messages=[{"role": "user", "content": "cut"}])
        await client.close()
    assert limited.value.headers == {"Retry-After": "7"}
    assert [request.headers["user-agent"] for request in wire.requests] == ["execution-gateway/1.2.3"] * 3
