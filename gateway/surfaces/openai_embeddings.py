"""``POST /v1/embeddings``: OpenAI's embeddings API, for unmodified clients."""

from __future__ import annotations

from typing import Any

from gateway.domain import Json
from gateway.errors import InvalidRequest
from gateway.pipeline.services import Services
from gateway.surfaces.http_request import RequestLimits
from gateway.surfaces.intent_endpoint import IntentEndpoint

PATH = "/v1/embeddings"
MOST_INPUTS = 2_048
"""Inputs of one call, as OpenAI has it."""
ENCODINGS = ("float", "base64")

_INTS = frozenset({int})
ELSEWHERE = ("messages", "tools", "functions")
"""What another endpoint takes: policy would not see it here."""


class Embeddings(IntentEndpoint):
    """The endpoint."""

    def __init__(self, services: Services, limits: RequestLimits) -> None:
        super().__init__(services, limits, "embeddings", check_embeddings_request)


def check_embeddings_request(body: Json) -> None:
    """Check what the gateway itself relies on; the rest is the upstream's to judge.

    Raises:
        InvalidRequest: ``model``, ``input``, ``encoding_format``, ``dimensions`` or ``stream`` is not what the embeddings API takes, or something is there
            that the chat API takes; ``param`` names it.
    """
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise InvalidRequest("'model' has to be the name of a model; GET /v1/models lists them", param="model")
    _check_input(body.get("input"))
    if body.get("encoding_format") not in (None, *ENCODINGS):
        raise InvalidRequest("'encoding_format' has to be 'float' or 'base64'", param="encoding_format")
    dimensions = body.get("dimensions")
    if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
        raise InvalidRequest("'dimensions' has to be a whole number above 0", param="dimensions")
    if body.get("stream") is not None and body["stream"] is not False:
        raise InvalidRequest("embeddings are not streamed: leave 'stream' out", param="stream")
    for name in ELSEWHERE:
        if name in body:
            raise InvalidRequest(f"embeddings take 'input', not '{name}'", param=name)


def _check_input(given: Any) -> None:
    """A text, a list of texts, a list of tokens, or a list of lists of tokens."""
    if isinstance(given, str) and given:
        return
    if not isinstance(given, list) or not given:
        raise InvalidRequest("'input' has to be a text, a list of texts, a list of tokens or a list of lists of tokens, and not empty", param="input")
    if len(given) > MOST_INPUTS:
        raise InvalidRequest(f"'input' has more than {MOST_INPUTS} entries; send them in several calls", param="input")
    if not _are_tokens(given):
        _check_entries(given)


def _check_entries(entries: list[Any]) -> None:
    """All of them texts, or all of them lists of tokens, and none of them empty."""
    texts = isinstance(entries[0], str)
    for index, item in enumerate(entries):
        good = isinstance(item, str) if texts else isinstance(item, list) and _are_tokens(item)
        if not (good and item):
            what = "a text that is not empty, like the first one" if texts else "a list of tokens: whole numbers, 0 or above"
            raise InvalidRequest(f"this entry of 'input' has to be {what}", param=f"input[{index}]")


def _are_tokens(items: list[Any]) -> bool:
    return _INTS.issuperset(map(type, items)) and min(items, default=0) >= 0
