"""Server-sent events, read incrementally: bytes as the network brings them in, the data of complete events out.

The grammar is that of the HTML standard, section "Server-sent events": lines end with LF, CR or CRLF, a blank line ends an event, several ``data`` lines
are joined by LF, comments and other fields carry nothing for us. One deliberate leniency: an event that the end of the stream leaves without its blank line
still counts (``finish``).
"""

from __future__ import annotations

_BOM = b"\xef\xbb\xbf"
_FIELD = b"data: "
_NEXT = b"\n\ndata: "


class EventLengthError(ValueError):
    """An event is longer than the limit: the sender is not what it says it is."""


class SseParser:
    """The parser of one stream. For every split of the same bytes, the events are the same."""

    __slots__ = ("_at_start", "_max_event_bytes", "_skip_lf", "_tail")

    def __init__(self, max_event_bytes: int) -> None:
        self._max_event_bytes = max_event_bytes
        self._tail = b""
        self._skip_lf = False
        self._at_start = True

    def feed(self, data: bytes) -> list[bytes]:
        """The ``data`` of every event that ``data`` completes, in order.

        Raises:
            EventLengthError: an event passed the limit of bytes.
        """
        if self._skip_lf or b"\r" in data:
            data = self._with_lf_only(data)
        whole = self._tail + data if self._tail else data
        complete, separator, self._tail = whole.rpartition(b"\n\n")
        if len(self._tail) > self._max_event_bytes:
            raise EventLengthError
        return self._events(complete) if separator else []

    def finish(self) -> list[bytes]:
        """What the end of the stream left without its blank line: the data of at most one event."""
        rest, self._tail = self._tail, b""
        return self._events(rest)

    def _with_lf_only(self, data: bytes) -> bytes:
        if not data:
            return data
        if self._skip_lf and data.startswith(b"\n"):
            data = data[1:]
            self._skip_lf = False
        if data:
            self._skip_lf = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _events(self, complete: bytes) -> list[bytes]:
        if self._at_start and complete:
            self._at_start = False
            complete = complete.removeprefix(_BOM)
        if len(complete) <= self._max_event_bytes and complete.startswith(_FIELD) and complete.count(b"\n") == 2 * complete.count(_NEXT):
            return [data for data in complete[len(_FIELD) :].split(_NEXT) if data]  # the ordinary form: every event is one line of data
        found = []
        for event in complete.split(b"\n\n"):
            if len(event) > self._max_event_bytes:
                raise EventLengthError
            data = _data_of(event)
            if data:
                found.append(data)
        return found


def _data_of(event: bytes) -> bytes:
    lines = []
    for line in event.split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value.removeprefix(b" "))
    return b"\n".join(lines)
