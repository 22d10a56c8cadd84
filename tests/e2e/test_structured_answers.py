"""Structured answers with the official client, newest and oldest: sound at once, mended, replaced, refused; the client sees an object or an exception."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import openai
import pydantic
import pytest

from tests.e2e.asking import ask, said, stream, text_of
from tests.e2e.conftest import Deploy
from tests.e2e.deployment import Deployment


class Item(pydantic.BaseModel):
    name: str
    quantity: int


class Order(pydantic.BaseModel):
    customer: str
    email: str
    items: list[Item]


WANTED = Order(customer="C-17", email="jane.doe@example.com", items=[Item(name="rope", quantity=2)])
AS_SCHEMA: dict[str, Any] = {"type": "json_schema", "json_schema": {"name": "order", "schema": Order.model_json_schema()}}

WAYS = [
    ("plain order", ["first"], []),
    ("wrap this order", ["first"], ["extracted"]),
    ("mend this order", ["first", "repair"], ["asked"]),
    ("another order", ["first", "repair", "fallback"], ["asked", "replaced"]),
]
"""What the model is asked, the purposes of the calls that it takes, and what had to be done."""


def chats(client: openai.OpenAI | openai.AsyncOpenAI) -> Any:
    """Where ``parse`` and ``stream`` are: out of beta since 1.92."""
    return client.chat.completions if hasattr(client.chat.completions, "parse") else client.beta.chat.completions


def parsed(client: openai.OpenAI, prompt: str) -> tuple[Order, Any]:
    answer = chats(client).parse(model="assistant", messages=said(prompt), response_format=Order)
    return answer.choices[0].message.parsed, answer


def streamed_and_parsed(client: openai.OpenAI, prompt: str) -> tuple[Order, Any]:
    with chats(client).stream(model="assistant", messages=said(prompt), response_format=Order) as events:
        told = [event.chunk for event in events if event.type == "chunk"]
        return events.get_final_completion().choices[0].message.parsed, told[-1]


def created(client: openai.OpenAI, prompt: str) -> tuple[Order, Any]:
    answer = ask(client, prompt, response_format=AS_SCHEMA)
    return Order.model_validate_json(answer.choices[0].message.content), answer


def streamed(client: openai.OpenAI, prompt: str) -> tuple[Order, Any]:
    chunks = list(stream(client, prompt, response_format=AS_SCHEMA))
    return Order.model_validate_json(text_of(chunks)), chunks[-1]


def of_the_route(client: openai.OpenAI, prompt: str) -> tuple[Order, Any]:
    """The route's own schema; the client asks for none."""
    answer = ask(client, prompt, model="extract")
    return Order.model_validate_json(answer.choices[0].message.content), answer


@pytest.mark.parametrize("get", [parsed, streamed_and_parsed, created, streamed, of_the_route])
@pytest.mark.parametrize(("words", "purposes", "repairs"), WAYS, ids=[words for words, _, _ in WAYS])
def test_the_client_gets_an_object_of_the_schema_whatever_it_took(
    served: Deployment, client: openai.OpenAI, get: Callable[..., tuple[Order, Any]], words: str, purposes: list[str], repairs: list[str]
) -> None:
    marker = uuid4().hex
    found, answer = get(client, f"{marker} {words} for jane.doe@example.com")
    assert found == WANTED
    added = answer.gateway
    assert (added["schema_valid"], added["repairs"], added["attempts"], added["fallback"]) == (True, repairs, len(purposes), "fallback" in purposes)
    if get is created:
        facts = served.closed(added["record"])
        assert [attempt["purpose"] for attempt in facts["attempts"]] == purposes
        assert added["cost_microusd"] == sum(attempt["cost_microusd"] for attempt in facts["attempts"]) > 0
    sent = served.provider.received(marker)
    assert len(sent) == len(purposes)
    assert "jane.doe" not in str(sent)
    assert sent[0]["response_format"]["type"] == "json_schema"
    assert not any("canary" in str(again["messages"][-1]) for again in sent[1:])


async def test_the_async_client_gets_the_same(async_client: openai.AsyncOpenAI) -> None:
    answer = await chats(async_client).parse(model="assistant", messages=said("mend this order for jane.doe@example.com"), response_format=Order)
    assert answer.choices[0].message.parsed == WANTED
    assert answer.gateway["repairs"] == ["asked"]


@pytest.mark.parametrize("streams", [False, True])
def test_a_model_that_refuses_is_a_refusal_and_no_broken_answer(client: openai.OpenAI, streams: bool) -> None:
    if streams:
        chunks = list(stream(client, "forbidden order", response_format=AS_SCHEMA))
        refusal, added = "".join(choice.delta.refusal or "" for chunk in chunks for choice in chunk.choices), chunks[-1].gateway
    else:
        _, answer = parsed(client, "forbidden order")
        refusal, added = answer.choices[0].message.refusal, answer.gateway
    assert refusal == "I cannot help with that"
    assert (added["schema_valid"], added["attempts"]) == (None, 1)


@pytest.mark.parametrize("streams", [False, True])
def test_an_answer_that_nobody_could_mend_is_refused_by_the_shipped_policy_with_its_failures_on_record(
    served: Deployment, client: openai.OpenAI, streams: bool
) -> None:
    marker = uuid4().hex
    with pytest.raises(openai.PermissionDeniedError, match=r"answer\.schema") as raised:
        ask(client.with_options(max_retries=2), f"{marker} hopeless order", response_format=AS_SCHEMA, stream=streams)
    assert "canary" not in raised.value.response.text
    facts = served.closed(raised.value.response.headers["x-gateway-record"])
    assert (facts["state"], facts["reason"], facts["schema"]["valid"]) == ("refused", "answer.schema", False)
    assert {failure["keyword"] for failure in facts["schema"]["failures"]} == {"required"}
    assert [attempt["purpose"] for attempt in facts["attempts"]] == ["first", "repair", "fallback"]
    assert len(served.provider.received(marker)) == 3


ALLOWS = 'package gateway.answer\n\nverdict := {"outcome": "allow", "obligations": {"reveal": {}ALLOW_INVALID}}\n'


@pytest.mark.parametrize("lenient", [False, True])
def test_such_an_answer_leaves_only_where_policy_says_so_in_so_many_words(deploy: Deploy, key: str, lenient: bool) -> None:
    gateway = deploy({})
    (gateway.policies / "answer_test.rego").unlink()
    (gateway.policies / "answer.rego").write_text(ALLOWS.replace("ALLOW_INVALID", ', "allow_invalid": true' if lenient else ""))
    gateway.start()
    marker = uuid4().hex
    with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=key, max_retries=2, timeout=20) as client:
        for streams in (False, True):
            if lenient:
                assert answer_of(ask(client, f"{marker} hopeless order", response_format=AS_SCHEMA, stream=streams), streams)["schema_valid"] is False
                continue
            with pytest.raises(openai.InternalServerError) as raised:
                ask(client, f"{marker} hopeless order", response_format=AS_SCHEMA, stream=streams)
            assert (raised.value.status_code, raised.value.code) == (502, "answer.schema_invalid")
            assert raised.value.response.headers["x-should-retry"] == "false"
    assert len(gateway.provider.received(marker)) == 6


def answer_of(answer: Any, streams: bool) -> Any:
    return list(answer)[-1].gateway if streams else answer.gateway


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"type": "strange"}, "/type"),
        ({"properties": {"a": {"$ref": "http://192.0.2.1/schema.json"}}}, "/properties/a/$ref"),
        ({"properties": {"a": {"pattern": "(?=lookahead)"}}}, "/properties/a/pattern"),
    ],
)
@pytest.mark.parametrize("streams", [False, True])
def test_a_schema_that_cannot_be_used_is_a_bad_request_that_says_where(
    served: Deployment, client: openai.OpenAI, schema: dict[str, Any], where: str, streams: bool
) -> None:
    marker = uuid4().hex
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, marker, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}, stream=streams)
    assert (raised.value.code, raised.value.param) == ("invalid_schema", "response_format.json_schema.schema")
    assert where in str(raised.value)
    assert served.provider.received(marker) == []


@pytest.mark.parametrize("streams", [False, True])
def test_an_answer_of_low_confidence_is_left_to_a_person_by_the_shipped_policy(served: Deployment, client: openai.OpenAI, streams: bool) -> None:
    sure = answer_of(ask(client, "a clear request", model="triage", stream=streams), streams)
    assert sure["confidence"] > 0.5
    assert sure["signals"]["logprobs"] > 0.9
    doubted = ask(client, f"{uuid4().hex} a doubtful request", model="triage", stream=streams, extra_headers={"x-gateway-wait": "0"})
    told = answer_of(doubted, streams)
    assert (told["state"], told["task"]["queue"], told["task"]["mode"]) == ("parked", "reviews", "review")
    (parked,) = [entry["facts"] for entry in served.record(told["record"])["entries"] if entry["kind"] == "parked"]
    assert [reason["rule"] for reason in parked["reasons"]] == ["answer.confidence"]
