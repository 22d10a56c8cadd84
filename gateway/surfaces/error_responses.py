"""The one place that renders errors: OpenAI's shape, the status, and headers that tell an SDK whether a retry makes sense."""

from __future__ import annotations

import orjson

from gateway.domain import Json
from gateway.errors import GatewayError, PolicyDenied
from gateway.surfaces.http_request import Send


def error_body(error: GatewayError, record: str | None = None) -> Json:
    """The body: ``{"error": {"message", "type", "param", "code"}}``, with the record's id and the rules that refused where there are any."""
    body: Json = {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.reason_code}}
    if record is not None:
        body["gateway"] = {"record": record}
        if isinstance(error, PolicyDenied):
            body["gateway"]["reasons"] = [reason._asdict() for reason in error.reasons]
    return body


def error_headers(error: GatewayError) -> dict[str, str]:
    """The error's own headers, and whether an SDK should retry where the status alone would mislead it."""
    if error.retryable is None:
        return dict(error.headers)
    return {**error.headers, "x-should-retry": "true" if error.retryable else "false"}


async def send_error(send: Send, error: GatewayError, record: str | None = None, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    """Answer a request with an error."""
    raw = [*(headers or ()), *((name.lower().encode(), value.encode("latin-1", "replace")) for name, value in error_headers(error).items())]
    await send_json(send, error.http_status, error_body(error, record), raw)


async def send_json(send: Send, status: int, body: Json, headers: list[tuple[bytes, bytes]]) -> None:
    """Answer a request with a JSON body."""
    content = orjson.dumps(body)
    whole = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": whole})
    await send({"type": "http.response.body", "body": content})
