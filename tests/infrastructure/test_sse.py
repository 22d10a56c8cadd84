from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.infrastructure.sse import EventLengthError, SseParser

CASES: list[tuple[bytes, list[bytes]]] = [
    (b"data: one\n\ndata: two\n\n", [b"one", b"two"]),
    (b"data: one\r\n\r\ndata: two\r\n\r\n", [b"one", b"two"]),
    (b"data: one\r\rdata: two\r\r", [b"one", b"two"]),
    (b"\xef\xbb\xbfdata: one\n\n", [b"one"]),
    (b": keep-alive\n\ndata: one\n\n: more\ndata: two\n\n", [b"one", b"two"]),
    (b"data: first\ndata: second\n\n", [b"first\nsecond"]),
    (b"data:tight\n\ndata:  spaced\n\n", [b"tight", b" spaced"]),
    (b"event: message\nid: 7\nretry: 3\ndata: one\n\n", [b"one"]),
    (b"data: no newline at the end", [b"no newline at the end"]),
    (b"data: one newline at the end\n", [b"one newline at the end"]),
    (b"\n\n\n\ndata: one\n\n\n\n\ndata: two\n\n", [b"one", b"two"]),
    (b"data\n\ndata:\n\ndatum: x\n\n", []),
    (b"", []),
]


def parsed(parts: list[bytes]) -> list[bytes]:
    parser = SseParser(1_000)
    return [event for part in parts for event in parser.feed(part)] + parser.finish()


@pytest.mark.parametrize(("data", "expected"), CASES)
def test_events_are_those_of_the_standard_however_the_bytes_are_split(data: bytes, expected: list[bytes]) -> None:
    assert parsed([data]) == expected
    assert parsed([data[at : at + 1] for at in range(len(data))]) == expected
    for at in range(len(data)):
        assert parsed([data[:at], data[at:]]) == expected


def by_the_standard(data: bytes) -> list[bytes]:
    """The standard's own algorithm, a line at a time."""
    found: list[bytes] = []
    lines: list[bytes] = []
    for line in [*data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removeprefix(b"\xef\xbb\xbf").split(b"\n"), b""]:
        if not line:
            found.append(b"\n".join(lines))
            lines = []
        elif line == b"data" or line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
    return [event for event in found if event]


pieces = st.sampled_from(
    [b"data: ", b"data", b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b'{"a":1}', b"[DONE]", b"event: x", b"\xef\xbb\xbf", b"\xff"]
)


@given(st.lists(pieces, max_size=40).map(b"".join), st.lists(st.integers(0, 200), max_size=10))
def test_any_bytes_in_any_split_give_what_the_standard_says(data: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    parts = [data[start:end] for start, end in pairwise(places)]
    assert parsed(parts) == by_the_standard(data)


@pytest.mark.parametrize("data", [b"data: " + b"x" * 1_000, b"data: " + b"x" * 1_000 + b"\n\n"])
def test_an_event_over_the_limit_is_refused(data: bytes) -> None:
    with pytest.raises(EventLengthError):
        SseParser(1_000).feed(data)
