"""The server's HTTP protocol with the bounds that uvicorn does not have, so that no caller, known or not, can fill memory or hold connections.

The head of a request has a size while it comes (the front's own check sees it only when it is whole) and a time; a body may pause only so long. What
still comes of a body after its request was answered is read for a while, so that the caller can read the answer, and then the connection ends.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, cast

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.errors import HeadersTooLarge
from gateway.surfaces.error_responses import error_body
from gateway.surfaces.http_request import DEPARTURE, Departure

UNREAD_S = 60.0
"""How long a caller may read nothing of an answer while there is more than its buffers hold: it would keep a place, a call of the target and memory."""
WAIT_S = 20.0
"""How long a connection may take from its beginning, or from the first byte of a request, to the end of the request's head; and how long a body may pause."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. ``bounded`` makes the class that a server uses."""

    head_bytes: ClassVar[int]
    body_bytes: ClassVar[int]
    wait_s: ClassVar[float]
    unread_s: ClassVar[float]

    _in_head = False
    _head_received = 0
    _unread = 0
    _timer: asyncio.TimerHandle | None = None
    _unread_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """A connection begins: its first head is awaited."""
        super().connection_made(transport)
        self._departure = Departure()
        self._timer = self.loop.call_later(self.wait_s, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        """It ended."""
        self._stop_timer()
        self._stop_unread_timer()
        super().connection_lost(exc)
        self._departure.happen()

    def data_received(self, data: bytes) -> None:
        """Parse what came. A head that came in one piece, as nearly all do, costs nothing more here."""
        within = self._in_head
        super().data_received(data)
        if not self._in_head:
            self._watch_body()
            return
        if not within:
            self._head_received = 0
            if self._timer is None:
                self._timer = self.loop.call_later(self.wait_s, self._late)
            return
        self._head_received += len(data)
        if self._head_received > self.head_bytes:
            self._refuse()

    def _watch_body(self) -> None:
        """Give the rest of a body its time, from now; none is needed where it has come whole."""
        if self._timer is not None:
            self._stop_timer()
        if self._body_missing:
            self._timer = self.loop.call_later(self.wait_s, self._late)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_head = True
        self._unread = 0

    def on_headers_complete(self) -> None:
        """The head is whole: the front judges it."""
        self._in_head = False
        self._stop_timer()
        cast("dict[str, object]", self.scope)[DEPARTURE] = self._departure  # a scope may carry a server's own keys
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body, which nobody reads any more once the request was answered."""
        if self.cycle.response_complete:
            self._unread += len(body)
            if self._unread > self.body_bytes:
                self.transport.close()
            return
        super().on_body(body)

    def pause_writing(self) -> None:
        """The caller reads more slowly than its answer comes: it has a time to take some of it."""
        super().pause_writing()
        self._stop_unread_timer()
        self._unread_timer = self.loop.call_later(self.unread_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It has taken some."""
        super().resume_writing()
        self._stop_unread_timer()

    def _stop_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _refuse(self) -> None:
        """Answer 431 and end the connection, unless an earlier answer is under way: then only end it."""
        self._in_head = False
        if not self.transport.is_closing() and not self._answering:
            content = orjson.dumps(error_body(HeadersTooLarge(f"the headers are over {self.head_bytes} bytes")))
            head = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            self.transport.write(head % len(content) + content)
        self.transport.close()

    def _late(self) -> None:
        """What was to come did not in time. A head is given the same time again while an earlier answer of the connection is under way."""
        self._timer = None
        if self._answering and not self._body_missing:
            self._timer = self.loop.call_later(self.wait_s, self._late)
        else:
            self.transport.close()

    @property
    def _answering(self) -> bool:
        """Whether an answer is under way."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    @property
    def _body_missing(self) -> bool:
        """Whether the body of the newest request is not whole."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and cycle.more_body

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def bounded(*, head_bytes: int, body_bytes: int, wait_s: float = WAIT_S, unread_s: float = UNREAD_S) -> type[BoundedProtocol]:
    """The protocol with its bounds, as a server wants it: a class."""
    return type("Protocol", (BoundedProtocol,), {"head_bytes": head_bytes, "body_bytes": body_bytes, "wait_s": wait_s, "unread_s": unread_s})
