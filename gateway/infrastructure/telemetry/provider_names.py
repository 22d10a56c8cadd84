"""What the GenAI conventions call the providers of models (``gen_ai.provider.name``, semantic conventions v1.41)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OPENAI: Final = "openai"
"""``gen_ai.provider.name``: by the conventions the flavour of the API, which may be served by anybody."""
_PROVIDERS: Final[Mapping[str, str]] = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""What the conventions call the providers for which litellm has another name."""


def provider_name(provider: str | None) -> str:
    """``gen_ai.provider.name`` for litellm's name of a provider; ``None`` is an OpenAI-compatible server."""
    return OPENAI if provider is None else _PROVIDERS.get(provider, provider)
