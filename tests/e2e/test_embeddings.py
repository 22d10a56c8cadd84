"""Embeddings with the official client: vectors in, nothing personal out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import openai
import pytest

from tests.e2e.asking import said
from tests.e2e.deployment import Deployment


def embed(client: openai.OpenAI, given: Any, **parameters: Any) -> Any:
    return client.embeddings.create(**{"model": "assistant", "input": given, "dimensions": 8, **parameters})


def vectors(answer: Any) -> list[list[float]]:
    return [list(entry.embedding) for entry in answer.data]


def test_a_text_has_a_vector_of_the_asked_length(client: openai.OpenAI) -> None:
    answer = embed(client, "hello there", dimensions=256)
    assert (answer.object, answer.data[0].object, answer.data[0].index) == ("list", "embedding", 0)
    assert len(answer.data) == 1
    assert len(answer.data[0].embedding) == 256
    assert sum(number * number for number in answer.data[0].embedding) == pytest.approx(1, abs=1e-3)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0


def test_each_of_many_texts_has_its_own_in_order(client: openai.OpenAI) -> None:
    texts = [f"text number {at}" for at in range(2048)]
    answer = embed(client, texts)
    assert [entry.index for entry in answer.data] == list(range(2048))
    assert vectors(answer)[7:9] == [*vectors(embed(client, texts[7])), *vectors(embed(client, texts[8]))]


def test_the_encoding_makes_no_difference_to_the_numbers(client: openai.OpenAI) -> None:
    plain, default = vectors(embed(client, "hello", encoding_format="float")), vectors(embed(client, "hello"))
    packed = embed(client, "hello", encoding_format="base64").data[0].embedding
    assert plain == default
    assert isinstance(packed, str)
    assert len(packed) == 44  # 8 floats of 4 bytes


async def test_the_async_client_gets_the_same(async_client: openai.AsyncOpenAI, client: openai.OpenAI) -> None:
    answer = await async_client.embeddings.create(model="assistant", input=["hello"], dimensions=8)
    assert vectors(answer) == vectors(embed(client, ["hello"]))


def test_what_is_personal_never_reaches_the_model_and_whose_it_is_makes_no_difference(served: Deployment, client: openai.OpenAI) -> None:
    marker = uuid4().hex
    secret = "sk-" + "proj-Zx9" + "Qw3Er5Ty7Ui9Op1As3Df5Gh7Jk9Lz1Xc3Vb5Nm7"
    one = embed(client, [f"{marker} write to jane.doe@example.com", f"card 4242 4242 4242 4242, key {secret}"], user="jane.doe@example.com")
    other = embed(client, [f"{marker} write to john.roe@example.org", f"card 5555 5555 5555 4444, key {secret}"])
    seen = served.provider.received(marker)
    assert seen[0]["input"] == seen[1]["input"] == [f"{marker} write to <EMAIL_ADDRESS>", "card <CREDIT_CARD>, key <SECRET>"]
    assert seen[0]["user"] == "<EMAIL_ADDRESS>"
    assert vectors(one) == vectors(other)
    assert one.gateway["redactions"]["model"] == {"CREDIT_CARD": 1, "EMAIL_ADDRESS": 2, "SECRET": 1}


def test_the_record_has_the_redacted_texts_and_no_numbers(served: Deployment, client: openai.OpenAI) -> None:
    raw = client.embeddings.with_raw_response.create(model="assistant", input=["write to jane.doe@example.com"], dimensions=8)
    record = served.record(raw.headers["x-gateway-record"])
    answer: Any = raw.parse()
    opened, closed = record["entries"]
    assert (record["state"], opened["facts"]["surface"], opened["facts"]["findings"][0]["where"]) == ("completed", "embeddings", "input[0]")
    assert opened["content"]["request"]["input"][0].startswith("write to <EMAIL_ADDRESS_")
    assert closed["content"]["answer"] == {"model": "simulated-1", "vectors": 1, "dimensions": 8}
    assert answer.gateway["record"] == record["id"]
    assert answer.gateway["cost_microusd"] == closed["facts"]["attempts"][0]["cost_microusd"] > 0


@pytest.mark.parametrize("tokens", [[15339, 1070], [[15339], [1070, 7]]])
def test_tokens_cannot_be_scanned_and_are_refused_unless_policy_allows_it(client: openai.OpenAI, tokens: Any) -> None:
    with pytest.raises(openai.PermissionDeniedError) as raised:
        embed(client, tokens)
    assert "policy.unscanned" in str(raised.value.body)


def test_tokens_pass_where_policy_allows_it(deploy: Any, key: str) -> None:
    deployment = deploy({})
    rules = deployment.policies / "intent.rego"
    rules.write_text(rules.read_text().replace('{"reveal": disclosure.grants,', '{"allow_unscanned": true, "reveal": disclosure.grants,'))
    deployment.start()
    with openai.OpenAI(base_url=f"{deployment.base_url}/v1", api_key=key, max_retries=0, timeout=20) as client:
        answer = embed(client, [[15339, 1070], [7]])
        assert len(answer.data) == 2
        opened = deployment.record(answer.gateway["record"])["entries"][0]
        assert opened["facts"]["unscanned"] == [{"where": "input", "kind": "tokens"}]
        assert opened["content"]["request"]["input"] == ["<UNSCANNED>", "<UNSCANNED>"]


@pytest.fixture(scope="module")
def one_target(tmp_path_factory: pytest.TempPathFactory, prepared: Deployment, key: str) -> Iterator[openai.OpenAI]:
    """A client of a gateway whose route has one target, which is asked once and whatever happened before."""
    changes = {"      - target: simulated-backup\n    aliases": "    retries: {max: 0}\n    aliases"}
    deployment = Deployment(tmp_path_factory.mktemp("one_target"), prepared.provider, changes, like=prepared)
    deployment.start()
    with openai.OpenAI(base_url=f"{deployment.base_url}/v1", api_key=key, max_retries=0, timeout=20) as made:
        yield made
    deployment.stop()


@pytest.mark.parametrize(
    ("prompt", "kind", "status", "code"),
    [
        ("fault 500", openai.InternalServerError, 502, "upstream.unavailable"),
        ("fault 400", openai.BadRequestError, 400, "upstream.rejected"),
        ("fault reset", openai.InternalServerError, 502, "upstream.unavailable"),
        ("fault html", openai.InternalServerError, 502, "upstream.malformed"),
        ("fault silent", openai.InternalServerError, 504, "upstream.timeout"),
        ("fault rate", openai.RateLimitError, 429, "upstream.rate_limited"),  # the last: the target is left alone for a while then
    ],
)
def test_a_failing_target_is_an_exception_with_a_code(
    one_target: openai.OpenAI, prompt: str, kind: type[openai.APIStatusError], status: int, code: str
) -> None:
    with pytest.raises(kind) as raised:
        embed(one_target, f"{prompt} for jane.doe@example.com")
    assert (raised.value.status_code, raised.value.code) == (status, code)
    assert "jane" not in raised.value.response.text


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": [-1]}, "input[0]"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
        ({"extra_body": {"messages": said("hello")}}, "messages"),
    ],
)
def test_what_is_no_request_for_embeddings_is_a_bad_request_that_names_its_part(client: openai.OpenAI, parameters: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        embed(client, **{"given": "hello", **parameters} if "input" not in parameters else {"given": parameters["input"]})
    assert raised.value.param == param


def test_an_unknown_model_and_an_unknown_key_are_their_own_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        embed(client, "hello", model="no-such-model")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError):
        embed(client.with_options(api_key="gw_unknown"), "hello")
