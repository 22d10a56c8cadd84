"""An OTLP/HTTP JSON sink that counts distinct traces and spans. ``GET /`` gives ``{"traces", "spans"}``."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import cast

import orjson
import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TRACE = re.compile(rb'"traceId":"([0-9a-f]{32})"')


class Tally:
    """What has come so far."""

    def __init__(self) -> None:
        self.traces: set[bytes] = set()
        self.spans = 0

    def add(self, body: bytes) -> None:
        """Count one export request."""
        found = _TRACE.findall(body)
        self.spans += len(found)
        self.traces.update(found)


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._parts: list[bytes] = []
        self._missing: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Collect one request; a batch can be a megabyte, so its parts are joined once."""
        self._parts.append(data)
        if self._missing is None:
            whole = b"".join(self._parts)
            head = whole.find(b"\r\n\r\n")
            if head < 0:
                return
            length = _LENGTH.search(whole, 0, head)
            self._missing = (int(length[1]) if length else 0) - (len(whole) - head - 4)
        else:
            self._missing -= len(data)
        if self._missing <= 0:
            whole, self._parts, self._missing = b"".join(self._parts), [], None
            self._answer(whole)

    def _answer(self, request: bytes) -> None:
        answer = b"{}"
        if request.startswith(b"GET"):
            answer = orjson.dumps({"traces": len(self._tally.traces), "spans": self._tally.spans})
        else:
            self._tally.add(request)
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(answer), answer))


async def serve(port: int) -> None:
    """Listen until the process ends."""
    tally = Tally()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(tally), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
