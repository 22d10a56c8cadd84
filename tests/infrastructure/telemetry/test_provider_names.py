from __future__ import annotations

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes

from gateway.domain import Attempt
from gateway.infrastructure.telemetry import provider_names
from gateway.infrastructure.telemetry.semconv import ChatSpan


@pytest.mark.parametrize(
    ("provider", "named"),
    [(None, "openai"), ("openai", "openai"), ("anthropic", "anthropic"), ("gemini", "gcp.gemini"), ("vertex_ai", "gcp.vertex_ai"), ("bedrock", "aws.bedrock"),
     ("azure", "azure.ai.openai"), ("mistral", "mistral_ai"), ("together_ai", "together_ai")],
)  # fmt: skip
def test_a_provider_has_the_name_of_the_conventions_where_they_have_one(provider: str | None, named: str) -> None:
    attributes = ChatSpan("t", "m", None, provider=provider).attributes({}, Attempt(target="t", model="m", started_ns=1, ended_ns=2))
    assert provider_names.provider_name(provider) == attributes["gen_ai.provider.name"] == named
    assert attributes["server.address"] is attributes["server.port"] is None


def test_every_provider_that_is_renamed_gets_a_name_of_the_conventions() -> None:
    known = {member.value for member in gen_ai_attributes.GenAiProviderNameValues}
    assert set(provider_names._PROVIDERS.values()) <= known
    assert not set(provider_names._PROVIDERS) & known
