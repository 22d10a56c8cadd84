from __future__ import annotations

import base64
import math
from array import array
from typing import Any

import aiohttp
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulated.embeddings import DIMENSIONS, embeddings_prompt, vector
from gateway.simulated.server import SimulatedProvider

RESETS = (aiohttp.ClientError, ConnectionError)


async def embed(provider: SimulatedProvider, given: Any, **more: Any) -> tuple[int, Any]:
    raw = orjson.dumps({"model": "embedder", "input": given, **more})
    async with aiohttp.ClientSession() as session, session.post(provider.base_url + "/embeddings", data=raw) as response:
        body = await response.read()
        return response.status, body if response.content_type != "application/json" else orjson.loads(body)


@given(st.text(max_size=40), st.integers(8, 1536))
def test_a_vector_is_the_same_for_the_same_text_and_has_length_one(text: str, size: int) -> None:
    made = vector(text, size)
    assert made == vector(text, size)
    assert len(made) == size
    assert math.hypot(*made) == pytest.approx(1.0, abs=1e-3)


def test_other_texts_have_other_vectors() -> None:
    assert len({vector(text, 8).tobytes() for text in ("", "a", "b", "ab", "<EMAIL_ADDRESS>")}) == 5


@pytest.mark.parametrize(
    ("given", "texts"),
    [("hello", ("hello",)), (["a", "b"], ("a", "b")), ([1, 2], ("[1,2]",)), ([[1], [2, 3]], ("[1]", "[2,3]")), (None, ()), ({"a": 1}, ('{"a":1}',))],
)
def test_each_input_is_a_text(given: Any, texts: tuple[str, ...]) -> None:
    prompt = embeddings_prompt({"input": given}, {})
    assert (prompt.texts, prompt.echo) == (texts, texts[-1] if texts else "")


async def test_each_input_has_its_vector_as_floats_or_base64_and_usage() -> None:
    async with SimulatedProvider() as provider:
        status, plain = await embed(provider, ["one", "two"], dimensions=8)
        _, packed = await embed(provider, ["one", "two"], dimensions=8, encoding_format="base64")
    assert (status, plain["object"], plain["model"]) == (200, "list", "embedder")
    assert [entry["index"] for entry in plain["data"]] == [0, 1]
    unpacked = [array("f", base64.b64decode(entry["embedding"])).tolist() for entry in packed["data"]]
    assert unpacked == [entry["embedding"] for entry in plain["data"]] == [vector(text, 8).tolist() for text in ("one", "two")]
    assert plain["usage"] == {"prompt_tokens": 2, "total_tokens": 2}


@pytest.mark.parametrize(("asked", "size"), [(None, DIMENSIONS), (1, 8), (1536, 1536), (9999, 1536), ("many", DIMENSIONS)])
async def test_dimensions_are_bounded(asked: Any, size: int) -> None:
    async with SimulatedProvider() as provider:
        _, body = await embed(provider, "hello", dimensions=asked)
    assert len(body["data"][0]["embedding"]) == size


async def test_the_usage_of_a_script_applies() -> None:
    script = "rules: [{when: {contains: given}, usage: {input: 7, output: 0}}, {when: {contains: none}, usage: omitted}, {usage: absurd}]"
    async with SimulatedProvider(script) as provider:
        usages = [(await embed(provider, text))[1].get("usage") for text in ("given", "none", "other")]
    assert usages == [{"prompt_tokens": 7, "total_tokens": 7}, None, {"prompt_tokens": -1, "total_tokens": "many"}]


async def test_the_faults_of_a_script_apply() -> None:
    script = (
        "rules: [{when: {contains: limit}, fault: {status: 429, retry_after: 7}}, {when: {contains: broken}, fault: {malformed: json}},"
        " {when: {contains: page}, fault: {malformed: html}}, {when: {contains: reset}, fault: {reset: before}},"
        " {when: {contains: late}, fault: {slow: header, hang_s: 0}}]"
    )
    async with SimulatedProvider(script) as provider:
        status, body = await embed(provider, ["first", "limit"])
        assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
        with pytest.raises(orjson.JSONDecodeError):
            await embed(provider, "broken")
        assert (await embed(provider, "page"))[1].startswith(b"<html>")
        with pytest.raises(RESETS):
            await embed(provider, "reset")
        assert (await embed(provider, "late"))[0] == 200
