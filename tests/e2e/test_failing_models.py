"""Models that fail, as the official client sees it: unnoticed where another stands in, else one exception that says whether to try again."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import openai
import pytest

from tests.e2e.asking import ask, said, stream, text_of
from tests.e2e.deployment import Deployment

LAST_RESORT = {"customer": "nobody", "items": [{"name": "nothing", "quantity": 1}]}


def told(client: openai.OpenAI, prompt: str, streams: bool, **parameters: Any) -> tuple[str, Any]:
    """The text of an answer and its ``gateway`` object."""
    if not streams:
        answer = ask(client, prompt, **parameters)
        return answer.choices[0].message.content, answer.gateway
    chunks = list(stream(client, prompt, **parameters))
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] == "stop"
    return text_of(chunks), chunks[-1].gateway


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("prompt", "calls"),
    [("primary down", ["first", "retry", "fallback"]), ("primary html", ["first", "retry", "fallback"]), ("primary silent", ["first", "fallback"])],
)
def test_where_another_model_stands_in_the_client_notices_nothing_but_the_gateway_object(
    served: Deployment, client: openai.OpenAI, prompt: str, calls: list[str], streams: bool
) -> None:
    marker = uuid4().hex
    text, added = told(client.with_options(max_retries=3), f"{marker} {prompt}", streams)
    assert text == "the backup speaks"
    assert (added["fallback"], added["target"], added["attempts"]) == (True, "simulated-backup", len(calls))
    facts = served.closed(added["record"])
    assert (facts["state"], [attempt["purpose"] for attempt in facts["attempts"]]) == ("completed", calls)
    assert [sent["model"] for sent in served.provider.received(marker)] == ["simulated-1"] * (len(calls) - 1) + ["simulated-2"]


async def test_the_async_client_notices_as_little(async_client: openai.AsyncOpenAI) -> None:
    answer: Any = await async_client.chat.completions.create(model="assistant", messages=said("primary down"))
    streamed = await async_client.chat.completions.create(model="assistant", messages=said("primary down"), stream=True)
    chunks: list[Any] = [chunk async for chunk in streamed]
    assert answer.choices[0].message.content == text_of(chunks) == "the backup speaks"
    assert answer.gateway["fallback"] is chunks[-1].gateway["fallback"] is True


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("prompt", "code"), [("fault 500", "upstream.unavailable"), ("fault rate", "upstream.rate_limited"), ("fault html", "upstream.malformed")]
)
def test_the_clients_retries_do_not_multiply_with_those_of_the_gateway(
    served: Deployment, client: openai.OpenAI, prompt: str, code: str, streams: bool
) -> None:
    marker = uuid4().hex
    with pytest.raises(openai.APIStatusError) as raised:
        ask(client.with_options(max_retries=5), f"{marker} {prompt}", model="tireless", stream=streams)
    assert (raised.value.code, raised.value.response.headers["x-should-retry"]) == (code, "false")
    assert len(served.provider.received(marker)) == 4
    facts = served.closed(raised.value.response.headers["x-gateway-record"])
    assert [attempt["purpose"] for attempt in facts["attempts"]] == ["first", "retry", "retry", "retry"]


def test_where_the_gateway_tried_once_the_client_may_try_again(served: Deployment, client: openai.OpenAI) -> None:
    marker = uuid4().hex
    with pytest.raises(openai.InternalServerError):
        ask(client.with_options(max_retries=2), f"{marker} fault 500", model="alone")
    assert len(served.provider.received(marker)) == 3


@pytest.mark.parametrize("streams", [False, True])
def test_the_last_resort_is_an_answer_that_says_what_it_is(served: Deployment, client: openai.OpenAI, streams: bool) -> None:
    text, added = told(client, "fault 500", streams, model="fixed")
    assert json.loads(text) == LAST_RESORT
    assert (added["last_resort"], added["target"], added["schema_valid"], added["cost_microusd"]) == (True, "last_resort", True, None)
    facts = served.closed(added["record"])
    assert (facts["state"], facts["last_resort"], facts["attempts"][0]["error"]) == ("completed", True, "upstream.unavailable")


@pytest.mark.parametrize("streams", [False, True])
def test_the_last_resort_stands_in_for_an_answer_that_breaks_its_schema(client: openai.OpenAI, streams: bool) -> None:
    text, added = told(client, "hopeless order", streams, model="fixed")
    assert json.loads(text) == LAST_RESORT
    assert (added["last_resort"], added["attempts"]) == (True, 2)
    assert added["cost_microusd"] > 0


@pytest.mark.parametrize("streams", [False, True])
def test_a_wrong_request_is_its_own_exception_even_with_a_last_resort(client: openai.OpenAI, streams: bool) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, "fault 400", model="fixed", stream=streams)
    assert raised.value.code == "upstream.rejected"


def test_without_a_target_to_call_it_is_a_server_error_that_names_a_time(served: Deployment, client: openai.OpenAI) -> None:
    marker = uuid4().hex
    with pytest.raises(openai.InternalServerError) as first:
        ask(client, f"{marker} fault 500", model="fragile")
    errors = []
    for streams in (False, True):
        with pytest.raises(openai.InternalServerError) as raised:
            ask(client, f"{marker} hello", model="fragile", stream=streams)
        errors.append((raised.value.status_code, raised.value.code, raised.value.response.headers["retry-after"]))
    assert (first.value.status_code, first.value.code) == (502, "upstream.unavailable")
    assert errors == [(503, "no_target", "1")] * 2
    assert len(served.provider.received(marker)) == 1
    assert served.metric("gateway_breaker_state", target="fragile", state="open") == 1
    assert served.closed(raised.value.response.headers["x-gateway-record"])["passed_over"] == [{"target": "fragile", "reason": "breaker.open"}]


@pytest.mark.parametrize("streams", [False, True])
def test_a_request_that_is_too_long_for_every_model_is_told_as_openai_tells_it(served: Deployment, client: openai.OpenAI, streams: bool) -> None:
    marker = uuid4().hex
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, f"{marker} {'word ' * 1000}", model="narrow", stream=streams)
    assert (raised.value.code, raised.value.param) == ("context_length_exceeded", "messages")
    assert served.provider.received(marker) == []
    assert ask(client, "short", model="narrow").choices[0].message.content == "short"


def test_after_the_first_words_a_stream_breaks_off_honestly_and_is_not_begun_again(served: Deployment, client: openai.OpenAI) -> None:
    marker = uuid4().hex
    seen: list[Any] = []
    with pytest.raises(openai.APIError) as raised:
        keep(stream(client.with_options(max_retries=3), f"{marker} fault cut"), seen)
    assert raised.value.code == "upstream.cut"
    assert text_of(seen)
    assert len(served.provider.received(marker)) == 1


def keep(chunks: Any, seen: list[Any]) -> None:
    """Keep what comes before an error."""
    for chunk in chunks:
        seen.append(chunk)  # noqa: PERF402 - extend would lose it
