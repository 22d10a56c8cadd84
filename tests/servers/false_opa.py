"""A server that answers as OPA does, or goes wrong in every way that one might: raw sockets, so that it can say what no HTTP library would."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson

HANG: Final = b"hang"
"""Of an answer: nothing more is said, and the connection stays open."""
ENDLESS: Final = b"endless"
ALLOW: Final = {"outcome": "allow", "obligations": {}}


class Asked(NamedTuple):
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class FalseOpa:
    """Says ``says`` to every question about a verdict, or what ``by_hook`` has for its hook; looks of the gateway are answered as OPA does."""

    port: int = 0
    revision: str = ""
    says: bytes | None = None
    looks: bytes | None = None
    """What it says to a look, in place of what OPA does."""
    by_hook: dict[str, bytes] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once anything was asked."""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str) -> bytes:
        """What it says to a question at ``path``."""
        hook = path.split("/")[4] if path.count("/") > 4 else ""
        if hook in self.by_hook:
            return self.by_hook[hook]
        if self.says is not None and hook:
            return self.says
        if self.looks is not None and not hook:
            return self.looks
        return json_of({"result": ALLOW} if hook else {}, self.revision)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                path = first.split(" ")[1]
                self.asked.append(Asked(path, headers, body))
                self.came.set()
                await self._say(writer, self.answer(path.partition("?")[0]))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _say(self, writer: asyncio.StreamWriter, said: bytes) -> None:
        text, hangs, _ = said.partition(HANG)
        start, endless, _ = text.partition(ENDLESS)
        writer.write(start)
        while endless:
            writer.write(b"1000\r\n" + b"a" * 4096 + b"\r\n")
            await writer.drain()
        await writer.drain()
        if hangs:
            await asyncio.sleep(60)
        if b"Content-Length" not in start:
            raise ConnectionError


@asynccontextmanager
async def false_opa(revision: str = "") -> AsyncIterator[FalseOpa]:
    """One that runs."""
    opa = FalseOpa(revision=revision)
    tasks: set[asyncio.Task[Any]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(opa.serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    opa.port = server.sockets[0].getsockname()[1]
    try:
        yield opa
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def http(status: int, body: bytes, kind: str = "application/json", *more: str) -> bytes:
    """An answer on the wire."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def json_of(answer: Any, revision: str = "", status: int = 200) -> bytes:
    """An answer of OPA, that names ``revision`` where one is given."""
    bundles = {"provenance": {"version": "1.22.2", "bundles": {"policies": {"revision": revision}}}} if revision else {}
    return http(status, orjson.dumps({**answer, **bundles}) if isinstance(answer, dict) else orjson.dumps(answer))


def failed(code: str, status: int = 500, **location: Any) -> bytes:
    """OPA's answer where an evaluation failed. Its words quote the input."""
    error = {"code": code, "message": "div: divide by zero of jane@example.com", "location": location}
    return json_of({"code": "internal_error", "message": "error(s) occurred while evaluating query", "errors": [error]}, status=status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """Something that goes wrong: what is said for a verdict, which kind of fault that is, and by which rule an intent is refused."""

    name: str
    says: bytes
    kind: str
    rule: str


def _down(name: str, says: bytes) -> Wrong:
    return Wrong(name=name, says=says, kind="unavailable", rule="policy.unavailable")


def _slow(name: str, says: bytes) -> Wrong:
    return Wrong(name=name, says=says, kind="timeout", rule="policy.timeout")


WRONG: Final = (
    _slow("nothing at all", HANG),
    _slow("half a head", b"HTTP/1.1 200 OK\r\nContent-Ty" + HANG),
    _slow("half an answer", b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"result": {"outcome": "allow"' + HANG),
    _down("a connection that closes", b"HTTP/1.1 200 OK\r\n"),
    _down("an answer that is cut", b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"res'),
    _down("no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    _down("garbage", http(200, b"\x00\xff\xfe{")),
    _down("half of JSON", http(200, b'{"result": {"outcome": "allow"}')),
    _down("a page", http(200, b"<html>allow</html>", "text/html")),
    _down("an array", http(200, b'[{"result": {"outcome": "allow"}}]')),
    _down("an abyss", http(200, b"[" * 60_000 + b"]" * 60_000)),
    _down("compressed, unasked", http(200, gzip.compress(b'{"result": {"outcome": "allow"}}'), "application/json", "Content-Encoding: gzip")),
    _down("500 with a page", http(500, b"<html>", "text/html")),
    _down("500 of something else", json_of({"code": "internal_error", "message": "storage is away"}, status=500)),
    _down("502", http(502, b"bad gateway", "text/plain")),
    _down("503", http(503, b"", "text/plain")),
    _down("401", json_of({"code": "unauthorized", "message": "request rejected by administrative policy"}, status=401)),
    _down("404", http(404, b"404 page not found", "text/plain")),
    _down("201 with a verdict", json_of({"result": ALLOW}, status=201)),
    _down("a redirect", http(307, b"", "text/plain", "Location: http://127.0.0.1:9/v1/data")),
    _down("a redirect with a verdict", http(302, orjson.dumps({"result": ALLOW}), "application/json", "Location: http://127.0.0.1:9/v1/data")),
    _down("a verdict of no revision", json_of({"result": ALLOW})),
    _down("a verdict of another revision", json_of({"result": ALLOW}, "another")),
    Wrong(
        name="an endless answer",
        says=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + ENDLESS,
        kind="size",
        rule="policy.malformed",
    ),
    Wrong(name="a huge verdict", says=json_of({"result": {"outcome": "allow", "more": "a" * 70_000}}), kind="size", rule="policy.malformed"),
    Wrong(name="an evaluation that failed", says=failed("eval_builtin_error", file="limits.rego", row=7, col=1), kind="error", rule="policy.error"),
    Wrong(name="two verdicts at once", says=failed("eval_conflict_error", file='a"b.rego', row="7"), kind="error", rule="policy.error"),
)
"""What the engine has to make a fault of."""
