"""What an unmodified client gets when all goes well."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import openai
import pydantic
import pytest

from tests.e2e.asking import ask, said, stream, text_of
from tests.e2e.deployment import Deployment

UNICODE = "naïve 日本語 \U0001f469‍\U0001f469‍\U0001f467 مرحبا e\u0301 \u200b\u2028 tab\tline\nend \\ \" ' \x01 </s>"


def test_a_plain_answer_is_what_the_model_said(client: openai.OpenAI) -> None:
    answer = ask(client, "hello there")
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.content == "hello there"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_a_streamed_answer_is_the_same_with_one_finish_at_the_end(client: openai.OpenAI) -> None:
    chunks = list(stream(client, "hello there, how are you today"))
    assert text_of(chunks) == "hello there, how are you today"
    finishes = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert finishes[-1] == "stop"
    assert set(finishes[:-1]) == {None}
    assert len({chunk.id for chunk in chunks}) == 1


async def test_the_async_client_gets_the_same_plain_and_streamed(async_client: openai.AsyncOpenAI) -> None:
    plain = await async_client.chat.completions.create(model="assistant", messages=said("hello from asyncio"))
    streamed = await async_client.chat.completions.create(model="assistant", messages=said("hello from asyncio"), stream=True)
    chunks = [chunk async for chunk in streamed]
    assert plain.choices[0].message.content == text_of(chunks) == "hello from asyncio"


@pytest.mark.parametrize("streamed", [False, True])
def test_what_is_personal_never_reaches_the_model_and_comes_back_to_the_caller(served: Deployment, client: openai.OpenAI, streamed: bool) -> None:
    marker = uuid4().hex
    secret = "sk-" + "proj-Zx9" + "Qw3Er5Ty7Ui9Op1As3Df5Gh7Jk9Lz1Xc3Vb5Nm7"
    prompt = f"{marker} mail jane.doe@example.com, card 4242 4242 4242 4242, key {secret}"
    answer = text_of(stream(client, prompt)) if streamed else ask(client, prompt).choices[0].message.content
    seen = served.provider.received(marker)[0]["messages"][0]["content"]
    assert not any(value in seen for value in ("jane.doe", "4242", secret))
    assert answer == prompt.replace(secret, "<SECRET>")


@pytest.mark.parametrize("streamed", [False, True])
def test_what_a_model_volunteers_is_hidden_from_the_caller(client: openai.OpenAI, streamed: bool) -> None:
    prompt = "Who looks after this?"
    answer = text_of(stream(client, prompt)) if streamed else ask(client, prompt).choices[0].message.content
    assert answer.startswith("Dana does: <EMAIL_ADDRESS_")
    assert "reyes" not in answer
    assert "0147" not in answer


def test_each_of_several_choices_arrives_whole(client: openai.OpenAI) -> None:
    answer = ask(client, "two of these for jane.doe@example.com", n=2)
    chunks = list(stream(client, "two of these for jane.doe@example.com", n=2))
    texts = [choice.message.content for choice in answer.choices]
    assert texts == [text_of(chunks, index) for index in (0, 1)] == ["two of these for jane.doe@example.com"] * 2
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices].count("stop") == 2


def test_log_probabilities_pass_where_nothing_was_touched_and_are_dropped_visibly_where_it_was(client: openai.OpenAI) -> None:
    untouched = ask(client, "nothing personal here", logprobs=True)
    touched = ask(client, "mail jane.doe@example.com", logprobs=True)
    assert "".join(token.token for token in untouched.choices[0].logprobs.content) == "nothing personal here"
    assert touched.choices[0].logprobs is None
    assert touched.gateway["logprobs_dropped"] is True


@pytest.mark.parametrize("asked", [False, True])
def test_usage_ends_a_stream_only_where_the_caller_asked_for_it(client: openai.OpenAI, asked: bool) -> None:
    chunks = list(stream(client, "count this", **({"stream_options": {"include_usage": True}} if asked else {})))
    assert [chunk.usage is not None for chunk in chunks if not chunk.choices] == [True] * asked
    assert all(chunk.usage is None for chunk in chunks if chunk.choices)


def test_raw_responses_carry_the_gateways_headers_and_its_record(served: Deployment, client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=said("hello"))
    answer: Any = raw.parse()
    assert (raw.headers["x-gateway-decision"], raw.headers["x-gateway-route"], raw.headers["x-gateway-target"]) == ("allow", "assistant", "simulated")
    assert raw.headers["x-gateway-record"] == answer.gateway["record"]
    record = served.record(answer.gateway["record"])
    assert record["state"] == "completed"
    assert record["entries"][0]["facts"]["trace_id"] == raw.headers["x-gateway-trace"]


def test_a_stream_carries_the_gateways_headers_and_its_object_on_the_finish(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="assistant", messages=said("hello"), stream=True)
    chunks: list[Any] = list(raw.parse())
    assert chunks[-1].gateway["record"] == raw.headers["x-gateway-record"]
    assert raw.headers["content-type"].startswith("text/event-stream")


def test_with_options_another_key_and_a_traceparent_are_honoured(served: Deployment, client: openai.OpenAI) -> None:
    research = client.with_options(api_key=served.new_key(team="research"), default_headers={"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"})

    def answered() -> Any:
        try:
            return research.chat.completions.with_raw_response.create(model="assistant-large", messages=said("hello"))
        except openai.AuthenticationError:
            return None  # the key is younger than the gateway's last look

    raw = next(answer for answer in iter(answered, 0) if answer is not None)
    assert (raw.headers["x-gateway-route"], raw.headers["x-gateway-trace"]) == ("assistant-large", "ab" * 16)


async def test_models_are_the_routes_of_the_key_sync_and_async(client: openai.OpenAI, async_client: openai.AsyncOpenAI) -> None:
    names = {model.id for model in client.models.list()}
    assert {"assistant", "gpt-4o-mini", "assistant-large"} <= names
    assert names == {model.id async for model in async_client.models.list()}
    assert client.models.retrieve("assistant").owned_by == "gateway"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no/such/model")


class Place(pydantic.BaseModel):
    city: str
    people: int


def test_a_parsed_answer_is_an_object_of_the_asked_schema(served: Deployment, client: openai.OpenAI) -> None:
    parse: Any = getattr(client.chat.completions, "parse", None) or client.beta.chat.completions.parse
    marker = uuid4().hex
    answer = parse(model="assistant", messages=said(f"{marker} As JSON"), response_format=Place)
    assert answer.choices[0].message.parsed == Place(city="Utrecht", people=3)
    assert served.provider.received(marker)[0]["response_format"]["json_schema"]["schema"]["required"] == ["city", "people"]


@pytest.mark.parametrize("text", [UNICODE, "\U0010ffff", "a" * 10_000, " "])
def test_text_comes_back_as_it_went_plain_and_streamed(client: openai.OpenAI, text: str) -> None:
    assert ask(client, text).choices[0].message.content == text
    assert text_of(stream(client, text)) == text


def test_a_prompt_of_a_megabyte_is_answered(client: openai.OpenAI) -> None:
    prompt = "Only acknowledge: " + "the quick brown fox jumps over the lazy dog. " * 24_000
    assert len(prompt) > 1_000_000
    assert ask(client, prompt).choices[0].message.content == "ok"
    assert text_of(stream(client, prompt)) == "ok"


def test_an_echo_of_a_megabyte_is_answered(client: openai.OpenAI) -> None:
    prompt = "words and words. " * 62_000
    assert ask(client, prompt).choices[0].message.content == prompt


def test_unknown_parameters_pass_to_the_model_and_a_cap_of_policy_is_told(served: Deployment, client: openai.OpenAI) -> None:
    marker = uuid4().hex
    answer = ask(client, marker, max_tokens=100_000, extra_body={"min_p": 0.1, "mail": "jane.doe@example.com"})
    seen = served.provider.received(marker)[0]
    assert (seen["min_p"], seen["max_tokens"], answer.gateway["max_tokens"]) == (0.1, 1024, 1024)
    assert seen["mail"].startswith("<EMAIL_ADDRESS_")
