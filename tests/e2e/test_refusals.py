"""Each refusal is raised by the client as its own exception class, with what a program needs to act on it."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import uuid4

import openai
import pytest

from tests.e2e.asking import ask, said, text_of
from tests.e2e.deployment import Deployment, eventually


class Expected(NamedTuple):
    prompt: str
    kind: type[openai.APIStatusError]
    status: int
    code: str


UPSTREAM = [
    Expected("fault rate", openai.RateLimitError, 429, "upstream.rate_limited"),
    Expected("fault 500", openai.InternalServerError, 502, "upstream.unavailable"),
    Expected("fault 400", openai.BadRequestError, 400, "upstream.rejected"),
    Expected("fault 401", openai.InternalServerError, 502, "upstream.rejected"),
    Expected("fault reset", openai.InternalServerError, 502, "upstream.unavailable"),
    Expected("fault html", openai.InternalServerError, 502, "upstream.malformed"),
    Expected("fault silent", openai.InternalServerError, 504, "upstream.timeout"),
]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("expected", UPSTREAM, ids=lambda expected: expected.prompt)
def test_a_failing_target_is_an_exception_with_a_code_and_a_record(client: openai.OpenAI, expected: Expected, streamed: bool) -> None:
    with pytest.raises(expected.kind) as raised:
        ask(client, f"{expected.prompt} for jane.doe@example.com", stream=streamed)
    assert (raised.value.status_code, raised.value.code) == (expected.status, expected.code)
    assert "jane" not in raised.value.response.text
    assert raised.value.response.headers["x-gateway-record"] in raised.value.response.text
    if expected.status == 429:
        assert raised.value.response.headers["retry-after"] == "0"


def test_a_failed_call_is_on_record_with_its_reason(served: Deployment, client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        ask(client, "fault 500")
    facts = served.closed(raised.value.response.headers["x-gateway-record"])
    assert (facts["state"], facts["reason"], facts["attempts"][0]["status"]) == ("failed", "upstream.unavailable", 500)


@pytest.mark.parametrize("unknown", ["gw_unknown0000_" + "x" * 43, "not-a-key", "gw__", "gw_" + "k" * 500])
def test_an_unknown_key_is_an_authentication_error(client: openai.OpenAI, unknown: str) -> None:
    with pytest.raises(openai.AuthenticationError) as raised:
        ask(client.with_options(default_headers={"Authorization": f"Bearer {unknown}"}), "hello")
    assert raised.value.code == "invalid_api_key"


def test_the_policys_no_is_a_permission_error_that_names_the_rule_and_is_not_retried(served: Deployment, client: openai.OpenAI) -> None:
    before = served.metric("gateway_intents_total", state="refused")
    with pytest.raises(openai.PermissionDeniedError) as raised:
        client.with_options(max_retries=3).chat.completions.create(model="assistant-large", messages=said("hello"))
    body: Any = raised.value.body
    assert (raised.value.code, raised.value.type) == ("policy_denied", "policy_denied")
    assert "access.route" in body["message"]
    assert raised.value.response.headers["x-should-retry"] == "false"
    assert served.metric("gateway_intents_total", state="refused") == before + 1


def test_a_rate_limit_is_retried_by_the_client_and_then_answered(served: Deployment, client: openai.OpenAI) -> None:
    marker = uuid4().hex
    answer = client.with_options(max_retries=2).chat.completions.create(model="alone", messages=said(f"{marker} fault once"))
    assert answer.choices[0].message.content == "at last"
    assert len(served.provider.received(marker)) == 2


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [{"content": "no role"}]}, "messages[0]"),
        ({"extra_body": {"stream": "yes"}}, "stream"),
        ({"extra_body": {"tools": {}}}, "tools"),
        ({"model": ""}, "model"),
    ],
)
def test_a_malformed_request_is_a_bad_request_that_names_the_parameter(client: openai.OpenAI, parameters: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, "hello", **parameters)
    assert raised.value.param == param


def test_a_model_that_the_key_may_not_use_is_as_unknown_as_one_that_is_not_there(served: Deployment, client: openai.OpenAI) -> None:
    narrow = client.with_options(api_key=served.new_key("--route", "assistant"))
    eventually("the new key is known", lambda: _answers(narrow))
    errors = []
    for model in ("assistant-large", "no-such-model"):
        with pytest.raises(openai.NotFoundError) as raised:
            narrow.chat.completions.create(model=model, messages=said("hello"))
        errors.append((raised.value.code, raised.value.body))
    assert errors[0] == errors[1]
    assert {model.id for model in narrow.models.list()} == {"assistant", "gpt-4o-mini"}


def _answers(client: openai.OpenAI) -> bool:
    try:
        return bool(client.models.list().data)
    except openai.AuthenticationError:
        return False


def test_what_is_not_served_is_a_clear_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="no such endpoint"):
        client.completions.create(model="assistant", prompt="hello")


def test_a_body_over_the_limit_is_refused_with_413(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        ask(client, "x" * 4_300_000)
    assert (raised.value.status_code, raised.value.code) == (413, "payload_too_large")


def test_an_image_that_nobody_can_scan_is_refused(client: openai.OpenAI) -> None:
    picture: Any = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]
    with pytest.raises(openai.PermissionDeniedError, match=r"policy\.unscanned"):
        client.chat.completions.create(model="assistant", messages=picture)


def test_a_stream_that_breaks_raises_after_what_came_and_never_finishes(served: Deployment, client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="assistant", messages=said("fault cut"), stream=True)
    got: list[Any] = []
    with pytest.raises(openai.APIError) as raised:
        got.extend(_each(raw.parse(), got))
    assert raised.value.code == "upstream.cut"
    assert text_of(got)
    assert all(choice.finish_reason is None for chunk in got for choice in chunk.choices)
    assert served.closed(raw.headers["x-gateway-record"])["state"] == "failed"


def _each(chunks: Any, into: list[Any]) -> list[Any]:
    for chunk in chunks:
        into.append(chunk)  # noqa: PERF402 - what came before the error is to be kept
    return []


async def test_the_async_client_raises_the_same_classes(async_client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.RateLimitError):
        await async_client.chat.completions.create(model="assistant", messages=said("fault rate"))
    with pytest.raises(openai.APIError) as raised:
        async for _ in await async_client.chat.completions.create(model="assistant", messages=said("fault cut"), stream=True):
            pass
    assert raised.value.code == "upstream.cut"
