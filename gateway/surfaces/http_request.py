"""Reading an HTTP request within limits: headers, then body, then JSON, each checked before anything is done with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from gateway.domain import Json
from gateway.errors import HeadersTooLarge, InvalidRequest, PayloadTooLarge, Unauthenticated, UnsupportedMediaType

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """Sizes in bytes; ``json_depth`` counts nested arrays and objects."""

    body_bytes: int
    header_bytes: int
    json_depth: int


DEPARTURE = "gateway.departure"
"""Where in a scope the server leaves the ``Departure`` of its connection; other servers tell by ``receive`` alone."""


class Departure:
    """Tells whoever answers on a connection that its client went away, without a task that waits for it."""

    __slots__ = ("_listeners", "happened")

    def __init__(self) -> None:
        self.happened = False
        self._listeners: set[Callable[[], None]] = set()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when the client goes away, at once if it has."""
        if self.happened:
            listener()
        else:
            self._listeners.add(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        """Do not call it any more."""
        self._listeners.discard(listener)

    def happen(self) -> None:
        """The client went away."""
        self.happened = True
        for listener in tuple(self._listeners):
            listener()


class ClientGoneError(Exception):
    """The client went away before its request was whole."""


def check_headers(scope: Scope, limits: RequestLimits) -> None:
    """Refuse headers over the limit.

    Raises:
        HeadersTooLarge: All names and values together are over ``limits.header_bytes``.
    """
    if sum(len(name) + len(value) for name, value in scope["headers"]) > limits.header_bytes:
        raise HeadersTooLarge(f"the headers are over {limits.header_bytes} bytes")


def header(scope: Scope, name: bytes) -> str | None:
    """The value of a header that may come once.

    Raises:
        InvalidRequest: It came more than once.
    """
    found: bytes | None = None
    for key, value in scope["headers"]:
        if key == name:
            if found is not None:
                raise InvalidRequest(f"the header {name.decode()} came more than once; send it once")
            found = value
    return None if found is None else found.decode("latin-1")


def headers_of(scope: Scope, names: frozenset[bytes]) -> dict[bytes, str]:
    """The values of headers that may come once, by name, as far as they came: one look at all of the request's for several.

    Raises:
        InvalidRequest: One came more than once.
    """
    found: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in names:
            if name in found:
                raise InvalidRequest(f"the header {name.decode()} came more than once; send it once")
            found[name] = value.decode("latin-1")
    return found


def bearer_key(scope: Scope) -> str:
    """The key of ``Authorization: Bearer KEY``.

    Raises:
        Unauthenticated: There is none.
    """
    scheme, _, key = (header(scope, b"authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthenticated("no API key came with the request; send it as 'Authorization: Bearer KEY'", code="missing_api_key")
    return key.strip()


async def read_json(scope: Scope, receive: Receive, limits: RequestLimits) -> tuple[Json, int]:
    """The body, a JSON object in UTF-8, and its size in bytes.

    Raises:
        UnsupportedMediaType: The content type or encoding is another.
        PayloadTooLarge: It is over ``limits.body_bytes``; reading stops there.
        InvalidRequest: It is not JSON, not an object, or nested deeper than ``limits.json_depth``.
        ClientGoneError: The client went away meanwhile.
    """
    _check_media_type(scope)
    body = await _read(scope, receive, limits.body_bytes)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body is not JSON in UTF-8: {_place(error)}", code="invalid_json") from None
    if not isinstance(value, dict):
        raise InvalidRequest("the body has to be a JSON object", code="invalid_json")
    # No text nests deeper than it has opening brackets: nearly every body is done with two C-level counts.
    if body.count(b"{") + body.count(b"[") > limits.json_depth and _deeper_than(value, limits.json_depth):
        raise InvalidRequest(f"the body nests deeper than {limits.json_depth} levels", code="json_too_deep")
    return value, len(body)


def _check_media_type(scope: Scope) -> None:
    media, _, parameters = (header(scope, b"content-type") or "").partition(";")
    charset = parameters.strip().lower()
    if media.strip().lower() != "application/json" or charset not in {"", "charset=utf-8", 'charset="utf-8"'}:
        raise UnsupportedMediaType("the content type has to be application/json in UTF-8")
    if (header(scope, b"content-encoding") or "identity").lower() != "identity":
        raise UnsupportedMediaType("a compressed body is not accepted; send it plain")


async def _read(scope: Scope, receive: Receive, limit: int) -> bytes:
    declared = header(scope, b"content-length") or ""
    if declared.isdecimal() and int(declared) > limit:
        raise PayloadTooLarge(f"the body is over {limit} bytes")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise PayloadTooLarge(f"the body is over {limit} bytes")
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _place(error: orjson.JSONDecodeError) -> str:
    """Where the JSON broke, never what stood there."""
    return f"line {error.lineno}, column {error.colno}"


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [child for node in level for child in (node.values() if isinstance(node, dict) else node) if isinstance(child, (dict, list))]
        if not level:
            return False
    return True
