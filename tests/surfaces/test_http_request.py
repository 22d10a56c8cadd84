"""Limits on what is read: each refusal says what and where, and comes before anything is done."""

from __future__ import annotations

import pytest

from gateway.errors import GatewayError
from gateway.surfaces.http_request import ClientGoneError, Departure, Message, RequestLimits, Scope, bearer_key, check_headers, header, headers_of, read_json
from gateway.testing import LocalGateway

LIMITS = RequestLimits(body_bytes=100, header_bytes=200, json_depth=4)
JSON = {"content-type": "application/json"}


def scope(headers: dict[str, str]) -> Scope:
    return {"type": "http", "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]}


async def read(body: bytes, headers: dict[str, str] | None = None, parts: int = 1) -> object:
    size = max(1, -(-len(body) // parts))
    pieces = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": piece is not pieces[-1]} for piece in pieces]

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    value, size = await read_json(scope(JSON if headers is None else headers), receive, LIMITS)
    assert size == len(body)
    return value


@pytest.mark.parametrize("parts", [1, 2, 5])
async def test_a_body_may_come_in_parts(parts: int) -> None:
    assert await read(b'{"a": [1, 2, {"b": "\xc3\xa9"}]}', parts=parts) == {"a": [1, 2, {"b": "é"}]}


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"{}", {}, "unsupported_media_type"),
        (b"{}", {"content-type": "text/plain"}, "unsupported_media_type"),
        (b"{}", {"content-type": "application/json; charset=latin-1"}, "unsupported_media_type"),
        (b"{}", {**JSON, "content-encoding": "gzip"}, "unsupported_media_type"),
        (b"{}", {**JSON, "content-length": "101"}, "payload_too_large"),
        (b'{"a": "' + b"x" * 100 + b'"}', JSON, "payload_too_large"),
        (b"", JSON, "invalid_json"),
        (b"[]", JSON, "invalid_json"),
        (b'{"a": 1', JSON, "invalid_json"),
        (b'{"a": NaN}', JSON, "invalid_json"),
        (b'{"a": "\xff"}', JSON, "invalid_json"),
        (b'{"a": "\\ud800"}', JSON, "invalid_json"),
        (b'{"a": [[[[1]]]]}', JSON, "json_too_deep"),
    ],
)
async def test_what_is_not_json_within_the_limits_is_refused(body: bytes, headers: dict[str, str], code: str) -> None:
    with pytest.raises(GatewayError) as refused:
        await read(body, headers, parts=3 if len(body) > 50 else 1)
    assert refused.value.reason_code == code


async def test_as_deep_as_the_limit_is_fine() -> None:
    assert await read(b'{"a": [[[1]]], "b": [[]], "c": [[]]}') == {"a": [[[1]]], "b": [[]], "c": [[]]}


async def test_a_client_that_goes_away_while_sending_is_not_an_error_to_answer() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGoneError):
        await read_json(scope(JSON), receive, LIMITS)


def test_headers_over_the_limit_are_refused() -> None:
    with pytest.raises(GatewayError) as refused:
        check_headers(scope({"x": "y" * 200}), LIMITS)
    assert refused.value.http_status == 431


def test_a_header_that_may_come_once_is_refused_twice() -> None:
    twice: Scope = {"headers": [(b"traceparent", b"a"), (b"traceparent", b"b")]}
    with pytest.raises(GatewayError) as refused:
        header(twice, b"traceparent")
    assert refused.value.http_status == 400


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer ", "Basic abc", "gw_abc"])
def test_without_a_bearer_key_nobody_is_known(value: str | None) -> None:
    with pytest.raises(GatewayError) as refused:
        bearer_key(scope({} if value is None else {"authorization": value}))
    assert refused.value.reason_code == "missing_api_key"


async def test_a_refusal_quotes_nothing_of_the_body(local: LocalGateway) -> None:
    reply = await local.chat(b'{"messages": "jane.doe@example.com')
    assert reply.status == 400
    assert b"jane" not in reply.body
    assert "line 1, column" in reply.json["error"]["message"]


def test_a_departure_is_told_once_to_who_listens_and_at_once_to_who_comes_late() -> None:
    told: list[str] = []
    departure = Departure()
    first, second = (lambda: told.append("first")), (lambda: told.append("second"))
    departure.listen(first)
    departure.listen(second)
    departure.forget(second)
    departure.happen()
    departure.listen(lambda: told.append("late"))
    assert told == ["first", "late"]


def test_several_headers_are_found_in_one_look_each_at_most_once() -> None:
    given = scope({"a": "1", "b": "2", "c": "3"})
    assert headers_of(given, frozenset({b"a", b"c", b"d"})) == {b"a": "1", b"c": "3"}
    given["headers"].append((b"a", b"4"))
    assert headers_of(given, frozenset({b"b"})) == {b"b": "2"}
    with pytest.raises(GatewayError, match="more than once"):
        headers_of(given, frozenset({b"a"}))
