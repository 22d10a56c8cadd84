"""What a command is told by a gateway, and by whatever else answers in its place."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from gateway.infrastructure.gateway_client import GatewayCallError, GatewayClient

Serve = Callable[[bytes], str]


def answer(status: int, body: bytes, head: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n%s\r\n%s" % (status, len(body), head, body)


def _request(connection: socket.socket) -> bytes:
    """A whole request: head and body can come apart."""
    request = connection.recv(65_536)
    length = re.search(rb"(?i)content-length: (\d+)", request)
    while length is not None and len(request.partition(b"\r\n\r\n")[2]) < int(length[1]):
        request += connection.recv(65_536)
    return request


@pytest.fixture
def received() -> list[bytes]:
    """What the server was sent."""
    return []


@pytest.fixture
def serve(received: list[bytes]) -> Iterator[Serve]:
    """Answer one connection with these bytes; gives the URL."""
    listening: list[socket.socket] = []

    def start(reply: bytes) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        listening.append(server)

        def once() -> None:
            connection, _ = server.accept()
            with connection:
                received.append(_request(connection))
                connection.sendall(reply)

        threading.Thread(target=once, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}"

    yield start
    for server in listening:
        server.close()


def test_a_request_goes_where_it_should_with_its_key_and_body(serve: Serve, received: list[bytes]) -> None:
    client = GatewayClient(serve(answer(200, b'{"id": "tsk_1"}')) + "/behind/", "gw_a_b")
    assert client.call("POST", "/v1/tasks/tsk_1/decide", {"action": "accept"}) == {"id": "tsk_1"}
    head, _, body = received[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /behind/v1/tasks/tsk_1/decide HTTP/1.1\r\n")
    assert b"authorization: Bearer gw_a_b" in head
    assert body == b'{"action":"accept"}'


@pytest.mark.parametrize(
    ("reply", "status", "words"),
    [
        (answer(409, b'{"error": {"message": "Ada has it", "param": null}}'), 409, "Ada has it"),
        (answer(400, b'{"error": {"message": "no", "param": "action"}}'), 400, "no (action)"),
        (answer(302, b"", b"location: http://192.0.2.1/\r\n"), 302, "answered 302: what answers there is no gateway"),
        (answer(200, b"<html>"), 200, "is no gateway"),
        (answer(200, b"[]"), 200, "is no gateway"),
        (answer(500, b'{"error": "x"}'), 500, "answered 500"),
        (b"SSH-2.0-x\r\n", None, "cannot be asked"),
        (b"", None, "cannot be asked"),
        (answer(200, b"{}")[:-1], 200, "is no gateway"),
    ],
)
def test_whatever_is_no_answer_is_an_error_in_words(serve: Serve, reply: bytes, status: int | None, words: str) -> None:
    with pytest.raises(GatewayCallError) as caught:
        GatewayClient(serve(reply), "gw_a_b").call("GET", "/v1/tasks")
    assert (caught.value.status, words in str(caught.value)) == (status, True), str(caught.value)
    assert caught.value.__cause__ is None


def test_who_does_not_answer_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = GatewayClient(f"http://127.0.0.1:{server.getsockname()[1]}", "gw_a_b", timeout_s=0.1)
        with pytest.raises(GatewayCallError, match="it did not answer in time"):
            client.call("GET", "/v1/tasks")


@pytest.mark.parametrize("url", ["gateway.example.com", "file:///etc", "http://", "http://a@b", "http://b/?q", "http://b/#f", "http://b:x", "http://[b"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        GatewayClient(url, "gw_a_b")


@pytest.mark.parametrize("key", ["gw_a b", "gw_a\r\nx: y", "gw_é"])
def test_what_is_no_key_is_refused_and_not_quoted(key: str) -> None:
    with pytest.raises(ValueError, match="keys are letters") as caught:
        GatewayClient("http://127.0.0.1:1", key)
    assert key not in str(caught.value)
