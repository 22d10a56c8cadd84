"""``POST /v1/chat/completions``: OpenAI's chat API, streamed and not, for unmodified clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.domain import Json
from gateway.errors import InvalidRequest
from gateway.pipeline.services import Services
from gateway.surfaces.http_request import RequestLimits
from gateway.surfaces.intent_endpoint import IntentEndpoint

PATH = "/v1/chat/completions"


class ChatCompletions(IntentEndpoint):
    """The endpoint."""

    def __init__(self, services: Services, limits: RequestLimits) -> None:
        super().__init__(services, limits, "chat", check_chat_request)


def check_chat_request(body: Json) -> None:
    """Check what the gateway itself relies on; the rest is the upstream's to judge.

    Raises:
        InvalidRequest: ``model``, ``messages`` or a parameter that the gateway acts upon is not what the chat API takes; ``param`` names it.
    """
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise InvalidRequest("'model' has to be the name of a model; GET /v1/models lists them", param="model")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InvalidRequest("'messages' has to be a list of at least one message", param="messages")
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise InvalidRequest("a message has to be an object with a 'role'", param=f"messages[{index}]")
    for name, good, what in _OPTIONAL:
        if body.get(name) is not None and not good(body[name]):
            raise InvalidRequest(f"'{name}' has to be {what}", param=name)


def _is_number_from(least: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and value >= least


def _is_flag(value: Any) -> bool:
    return type(value) is bool


def _is_object(value: Any) -> bool:
    return type(value) is dict


_OPTIONAL: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("stream", _is_flag, "true or false"),
    ("stream_options", _is_object, "an object"),
    ("tools", lambda value: type(value) is list and all(map(_is_object, value)), "a list of objects"),
    ("n", _is_number_from(1), "a whole number above 0"),
    ("logprobs", _is_flag, "true or false"),
    ("top_logprobs", _is_number_from(0), "a whole number, 0 or above"),
    ("response_format", lambda value: type(value) is dict and type(value.get("type")) is str, "an object with a 'type'"),
)
"""Parameters that the gateway acts upon, where they are there and not null."""
