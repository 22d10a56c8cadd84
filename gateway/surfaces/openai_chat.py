"""``POST /v1/chat/completions``: OpenAI's chat API, streamed and not, for unmodified clients."""

from __future__ import annotations

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
        InvalidRequest: ``model``, ``messages``, ``tools``, ``stream`` or ``stream_options`` is not what the chat API takes; ``param`` names it.
    """
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise InvalidRequest("'model' has to be the name of a model; GET /v1/models lists them", param="model")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InvalidRequest("'messages' has to be a list of at least one message", param="messages")
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise InvalidRequest("a message has to be an object with a 'role'", param=f"messages[{index}]")
    for name, kind, what in _OPTIONAL:
        if body.get(name) is not None and not isinstance(body[name], kind):
            raise InvalidRequest(f"'{name}' has to be {what}", param=name)


_OPTIONAL = (("stream", bool, "true or false"), ("tools", list, "a list"), ("stream_options", dict, "an object"))
