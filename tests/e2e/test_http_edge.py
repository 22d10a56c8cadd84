"""Bytes on a socket that no well-behaved client sends, and that proxies, scanners and attackers do."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest

from tests.e2e.asking import ask
from tests.e2e.deployment import Deployment

BODY = json.dumps({"model": "assistant", "messages": [{"role": "user", "content": "hello"}]}).encode()


@contextmanager
def connected(served: Deployment) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as made:
        yield made


def head(key: str, *lines: str, method: str = "POST", path: str = "/v1/chat/completions") -> bytes:
    fields = ["Host: gateway.example.com", f"Authorization: Bearer {key}", "Content-Type: application/json", *lines]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *fields, "", ""]).encode("latin-1")


def answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """One answer: status, headers, body. Status 0 where the connection ended without one."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        part = connection.recv(65536)
        if not part:
            return 0, {}, raw
        raw += part
    lines, _, body = raw.partition(b"\r\n\r\n")
    first, *fields = lines.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    return int(first.split(" ")[1]), headers, body


def content(body: bytes) -> str:
    text: str = json.loads(body)["choices"][0]["message"]["content"]
    return text


def code(body: bytes) -> str:
    found: str = json.loads(body)["error"]["code"]
    return found


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["X-Padding: " + "x" * 40_000], 431),
        ([f"X-Many-{number}: {'y' * 20}" for number in range(2_000)], 431),
        ([f"X-{number}: y" for number in range(500)], 200),
        (["X-Binary: " + "".join(map(chr, range(128, 256)))], 200),
    ],
    ids=["one huge header", "two thousand headers", "five hundred small headers", "bytes that are not ASCII"],
)
def test_headers_are_taken_up_to_the_limit_and_refused_above(served: Deployment, key: str, lines: list[str], status: int) -> None:
    with connected(served) as connection:
        connection.sendall(head(key, *lines, f"Content-Length: {len(BODY)}") + BODY)
        got, _, body = answer(connection)
    assert got == status
    assert status == 200 or code(body) == "headers_too_large"


def test_headers_without_an_end_do_not_fill_memory(served: Deployment, key: str) -> None:
    """The connection is ended, or answered, long before fifty megabytes of header are in."""
    sent = 0
    with connected(served) as connection:
        connection.sendall(head(key)[:-2] + b"X-Endless: ")
        try:
            while sent < 50_000_000:
                sent += connection.send(b"x" * 65536)
        except OSError:
            pass
    assert sent < 50_000_000
    assert served.get("/healthz")[0] == 200


def test_partial_requests_that_never_end_do_not_block_others(served: Deployment, key: str, client: openai.OpenAI) -> None:
    slow = [socket.create_connection(("127.0.0.1", served.port), timeout=10) for _ in range(50)]
    try:
        for number, connection in enumerate(slow):
            whole = head(key, f"Content-Length: {len(BODY)}") + BODY
            connection.sendall(whole[: 40 if number % 2 else len(whole) - 5])
        assert ask(client, "hello").choices[0].message.content == "hello"
        assert served.metric("gateway_intents_in_flight") == 0
        slow[0].sendall(BODY[-5:])
        assert content(answer(slow[0])[2]) == "hello"
    finally:
        for connection in slow:
            connection.close()


def test_a_body_that_comes_byte_by_byte_is_answered(served: Deployment, key: str) -> None:
    with connected(served) as connection:
        for byte in head(key, f"Content-Length: {len(BODY)}") + BODY:
            connection.sendall(bytes([byte]))
        assert content(answer(connection)[2]) == "hello"


def test_pipelined_requests_are_answered_in_order(served: Deployment, key: str) -> None:
    bodies = [BODY.replace(b"hello", f"number {number}".encode()) for number in range(5)]
    with connected(served) as connection:
        connection.sendall(b"".join(head(key, f"Content-Length: {len(body)}") + body for body in bodies))
        raw = b""
        while raw.count(b'"finish_reason"') < 5:
            part = connection.recv(65536)
            assert part, raw
            raw += part
    assert [raw.index(f'"number {number}"'.encode()) for number in range(5)] == sorted(raw.index(f'"number {number}"'.encode()) for number in range(5))


def test_a_chunked_body_is_read(served: Deployment, key: str) -> None:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:10], BODY[10:11], BODY[11:])) + b"0\r\n\r\n"
    with connected(served) as connection:
        connection.sendall(head(key, "Transfer-Encoding: chunked") + chunks)
        assert content(answer(connection)[2]) == "hello"


def test_a_chunked_body_over_the_limit_is_refused_while_it_comes(served: Deployment, key: str) -> None:
    with connected(served) as connection:
        connection.sendall(head(key, "Transfer-Encoding: chunked"))
        try:
            for _ in range(500):
                connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        except OSError:
            pass
        else:
            pytest.fail("32 MB were taken")
    assert served.get("/healthz")[0] == 200


def test_expect_100_continue_is_answered_before_the_body_is_sent(served: Deployment, key: str) -> None:
    with connected(served) as connection:
        connection.sendall(head(key, f"Content-Length: {len(BODY)}", "Expect: 100-continue"))
        assert answer(connection)[0] == 100
        connection.sendall(BODY)
        assert content(answer(connection)[2]) == "hello"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50 + b"\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ],
    ids=["not HTTP", "TLS", "a version that is not", "a negative length", "two lengths"],
)
def test_what_is_no_request_is_refused_and_harms_nobody(served: Deployment, client: openai.OpenAI, raw: bytes, status: int) -> None:
    with connected(served) as connection:
        connection.sendall(raw)
        assert answer(connection)[0] == status
    assert ask(client, "hello").choices[0].message.content == "hello"


@pytest.mark.parametrize(
    ("lines", "body", "status", "wanted"),
    [
        (["Content-Type: text/plain"], BODY, 415, "unsupported_media_type"),
        (["Content-Encoding: gzip", "Content-Type: application/json"], BODY, 415, "unsupported_media_type"),
        (["Content-Type: application/json; charset=latin-1"], BODY, 415, "unsupported_media_type"),
        (["Content-Type: application/json"], b"{", 400, "invalid_json"),
        (["Content-Type: application/json"], b"", 400, "invalid_json"),
        (["Content-Type: application/json"], b"[]", 400, "invalid_json"),
        (["Content-Type: application/json"], BODY.replace(b"hello", b"\xff\xfe"), 400, "invalid_json"),
        (["Content-Type: application/json"], BODY.replace(b'"hello"', b'"\\ud800"'), 400, "invalid_json"),
        (["Content-Type: application/json"], BODY[:-1] + b', "x": ' + b"[" * 100 + b"]" * 100 + b"}", 400, "json_too_deep"),
        (["Content-Type: application/json"], b"[" * 100_000, 400, "invalid_json"),
        (["Content-Type: application/json"], BODY[:-1] + b', "temperature": NaN}', 400, "invalid_json"),
    ],
)
def test_a_body_that_is_not_what_the_api_takes_is_refused_in_openais_shape(
    served: Deployment, key: str, lines: list[str], body: bytes, status: int, wanted: str
) -> None:
    whole = [f"Authorization: Bearer {key}", "Host: a", *lines, f"Content-Length: {len(body)}", "", ""]
    with connected(served) as connection:
        connection.sendall("\r\n".join(["POST /v1/chat/completions HTTP/1.1", *whole]).encode() + body)
        got, _, answered = answer(connection)
    assert (got, code(answered)) == (status, wanted)


def test_a_header_that_may_come_once_is_refused_twice(served: Deployment, key: str) -> None:
    with connected(served) as connection:
        connection.sendall(head(key, "Authorization: Bearer another", f"Content-Length: {len(BODY)}") + BODY)
        got, _, body = answer(connection)
    assert (got, code(body)) == (400, "invalid_request")


def test_a_connection_serves_many_requests_also_after_refused_ones(served: Deployment, key: str) -> None:
    with connected(served) as connection:
        for body, status in ((BODY, 200), (b"{", 400), (BODY, 200), (b"[]", 400), (BODY, 200)):
            connection.sendall(head(key, f"Content-Length: {len(body)}") + body)
            assert answer(connection)[0] == status


def test_a_caller_that_hangs_up_in_the_midst_of_its_body_leaves_nothing_behind(served: Deployment, key: str, client: openai.OpenAI) -> None:
    before = served.metric("gateway_intents_total")
    for _ in range(20):
        with connected(served) as connection:
            connection.sendall(head(key, f"Content-Length: {len(BODY)}") + BODY[:-3])
    time.sleep(0.1)
    assert ask(client, "hello").choices[0].message.content == "hello"
    assert served.metric("gateway_intents_total") == before + 1


def test_a_caller_that_reads_nothing_does_not_block_others(served: Deployment, key: str, client: openai.OpenAI) -> None:
    body: Any = json.dumps({"model": "assistant", "stream": True, "messages": [{"role": "user", "content": "word " * 100_000}]}).encode()
    with connected(served) as connection:
        connection.sendall(head(key, f"Content-Length: {len(body)}") + body)
        time.sleep(0.3)
        assert ask(client, "hello").choices[0].message.content == "hello"
