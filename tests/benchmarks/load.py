"""The load generator, a process of its own: a closed loop on N keep-alive connections. A plan on stdin, what it measured on stdout, both JSON.

It speaks just enough HTTP/1.1 on raw asyncio protocols to cost little: an answer ends by its content length or by the last chunk.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import cast

import orjson
import uvloop

from tests.benchmarks.measure import cpu_s

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"
SERIAL = b"@@@@@@@@"
"""In a body, eight characters that every request fills with a number of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to send. The load ends after ``seconds``, or after ``requests`` where that is not 0."""

    port: int
    pid: int
    """The server, whose CPU time is read when the measured part begins and ends."""
    key: str
    bodies: list[str]
    """Sent in turn."""
    connections: int
    seconds: float = 0.0
    requests: int = 0
    warm_up: int = 0
    """Requests before the measured part."""
    first_serial: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of a plan."""

    calls: int
    """With those of the warm-up."""
    failed: int
    """Answers whose status was not 200, and connections that broke."""
    rps: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """CPU of the server per request, in microseconds."""
    first_failure: str = ""


class Load:
    """Hands out requests and collects times."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._next = self._requests()
        self._left = plan.warm_up or plan.requests
        self._deadline: float | None = None
        self._running = 0
        self.times: list[float] = []
        self.calls = 0
        self.failed = 0
        self.first_failure = ""
        self.finished = asyncio.Event()

    def _requests(self) -> Iterator[bytes]:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {self._plan.key}\r\ncontent-type: application/json\r\n"
        wholes = [f"{head}content-length: {len(body.encode())}\r\n\r\n{body}".encode() for body in self._plan.bodies]
        serial = self._plan.first_serial
        while True:
            for whole in wholes:
                yield whole.replace(SERIAL, b"%08d" % serial)
                serial += 1

    async def phase(self, connections: list[Connection], *, requests: int, seconds: float) -> None:
        """Run until the requests or the seconds are used up and every answer has come."""
        self._left = requests
        self._deadline = None if requests else time.perf_counter() + seconds
        self._running = len(connections)
        self.times = []
        self.finished.clear()
        for connection in connections:
            connection.send()
        await self.finished.wait()

    def take(self) -> bytes | None:
        """The next request, ``None`` where there is none for this connection any more."""
        if self._deadline is None:
            self._left -= 1
            if self._left >= 0:
                return next(self._next)
        elif time.perf_counter() < self._deadline:
            return next(self._next)
        self.leave()
        return None

    def leave(self) -> None:
        """One connection less is at work."""
        self._running -= 1
        if self._running == 0:
            self.finished.set()

    def note(self, seconds: float, answer: bytes) -> None:
        """One answer, whole."""
        self.calls += 1
        self.times.append(seconds)
        if not answer.startswith(b"HTTP/1.1 200") or b'data: {"error"' in answer:
            self.fail(answer)

    def fail(self, answer: bytes) -> None:
        """Not what was asked for."""
        self.failed += 1
        self.first_failure = self.first_failure or answer[:1500].decode(errors="replace")


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request under way."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._buffer = bytearray()
        self._started: float | None = None
        self._needed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def send(self) -> None:
        """Send the next request, if there is one."""
        request = self._load.take()
        if request is not None:
            self._started = time.perf_counter()
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Note the answer when it is whole, and go on."""
        self._buffer += data
        if not self._whole():
            return
        answer, self._buffer, self._needed = bytes(self._buffer), bytearray(), 0
        started, self._started = self._started, None
        if started is not None:
            self._load.note(time.perf_counter() - started, answer)
            self.send()

    def _whole(self) -> bool:
        if not self._needed:
            head = self._buffer.find(b"\r\n\r\n")
            if head < 0:
                return False
            length = _LENGTH.search(self._buffer, 0, head)
            self._needed = head + 4 + int(length[1]) if length else -1
        return len(self._buffer) >= self._needed if self._needed > 0 else self._buffer.endswith(_LAST_CHUNK)

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection that breaks with a request under way has failed."""
        if self._started is not None:
            self._load.fail(b"connection lost: " + str(exc).encode())
            self._load.leave()


async def run(plan: Plan) -> Measured:
    """Carry out a plan."""
    load = Load(plan)
    loop = asyncio.get_running_loop()
    connections = [(await loop.create_connection(lambda: Connection(load), "127.0.0.1", plan.port))[1] for _ in range(plan.connections)]
    if plan.warm_up:
        await load.phase(connections, requests=plan.warm_up, seconds=0)
    before, started = cpu_s(plan.pid), time.perf_counter()
    await load.phase(connections, requests=plan.requests, seconds=plan.seconds)
    took, used = time.perf_counter() - started, cpu_s(plan.pid) - before
    times = sorted(load.times) or [0.0]
    return Measured(
        calls=load.calls,
        failed=load.failed,
        rps=len(times) / took,
        p50_ms=times[len(times) // 2] * 1000,
        p99_ms=times[len(times) * 99 // 100] * 1000,
        cpu_us=used / len(times) * 1e6,
        first_failure=load.first_failure,
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(asdict(uvloop.run(run(Plan(**orjson.loads(sys.stdin.buffer.read())))))))
