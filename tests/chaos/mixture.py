"""The calls of the soak: good ones, refused ones, those whose provider fails in every way, and those whose client goes away."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

SCRIPT: Final = """\
models: [simulated-1]
rules:
  - {when: {contains: fault-status}, fault: {status: 500}}
  - {when: {contains: fault-limit}, fault: {status: 429}}
  - {when: {contains: fault-reset}, fault: {reset: before}}
  - {when: {contains: fault-middle}, reply: "this answer breaks off in its middle", fault: {reset: middle}}
  - {when: {contains: fault-json}, fault: {malformed: json}}
  - {when: {contains: fault-cut}, reply: "this answer has no end", fault: {cut: close}}
  - name: a tool is called
    when: {contains: find the order}
    tool_calls: [{name: find_order, arguments: {email: "{placeholder:EMAIL_ADDRESS}"}}]
  - name: slowly, for those who do not wait
    when: {contains: slowly}
    reply: "{echo} one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    first_token_ms: 150
    pace_ms: 15
  - {when: {}, reply: "{echo} Agreed.", chunks: 24}
"""

ON_RECORD, NOT_ON_RECORD, MAYBE = "on record", "not on record", "maybe on record"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of call, and what has to become of it."""

    name: str
    weight: int
    text: str = "write to maria.lopez@example.com, card 4111 1111 1111 1111"
    stream: bool = False
    status: frozenset[int] = frozenset({200})
    error: bool = False
    """An error code is expected: in the body, or in the event that ends the stream."""
    leaves: str = ""
    """When the client goes away: ``waiting`` for an answer, or after its ``head``."""
    record: str = ON_RECORD
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further parts of the body."""
    key: str | None = None
    raw: bytes | None = None
    """Bytes in the place of a body."""

    def body(self, serial: int) -> bytes:
        """The body of call number ``serial``; one in four has been seen before."""
        if self.raw is not None:
            return self.raw
        text = f"Ticket T-{serial // 4}: {self.text}"
        return orjson.dumps({"model": "assistant", "stream": self.stream, "messages": [{"role": "user", "content": text}], **self.more})


def _tool(name: str) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": {"name": name, "description": "A tool.", "parameters": {"type": "object"}}}]}


_UPSTREAM = frozenset({502})
_NO_KEY = "gw_" + "0" * 12 + "_" + "0" * 43

KINDS: Final = (
    Kind(name="plain", weight=30),
    Kind(name="stream", weight=26, stream=True),
    Kind(name="tool", weight=4, text="find the order of maria.lopez@example.com", more=_tool("find_order")),
    Kind(name="streamed tool", weight=4, text="find the order of maria.lopez@example.com", stream=True, more=_tool("find_order")),
    Kind(name="blocked tool", weight=4, status=frozenset({403}), error=True, more=_tool("transfer_money")),
    Kind(name="unknown model", weight=2, status=frozenset({404}), error=True, more={"model": "nobody"}),
    Kind(name="broken body", weight=2, status=frozenset({400}), error=True, record=NOT_ON_RECORD, raw=b'{"model": "assistant", '),
    Kind(name="unknown key", weight=2, status=frozenset({401}), error=True, record=NOT_ON_RECORD, key=_NO_KEY),
    Kind(name="provider 500", weight=3, text="fault-status", status=_UPSTREAM, error=True),
    Kind(name="provider 429", weight=3, text="fault-limit", status=frozenset({429}), error=True),
    Kind(name="provider resets", weight=2, text="fault-reset", status=_UPSTREAM, error=True),
    Kind(name="provider resets a stream", weight=2, text="fault-middle", stream=True, status=frozenset({200, 502}), error=True),
    Kind(name="provider sends no JSON", weight=2, text="fault-json", status=_UPSTREAM, error=True),
    Kind(name="provider cuts a stream", weight=2, text="fault-cut", stream=True, status=frozenset({200, 502}), error=True),
    Kind(name="provider cuts", weight=2, text="fault-cut", status=_UPSTREAM, error=True),
    Kind(name="leaves while waiting", weight=3, text="slowly", leaves="waiting", record=MAYBE),
    Kind(name="leaves a stream", weight=4, text="slowly", stream=True, leaves="head"),
    Kind(name="stays with a slow stream", weight=3, text="slowly", stream=True),
)


def draw_kinds(draw: random.Random, count: int) -> list[Kind]:
    """``count`` calls in the proportions of their weights."""
    return draw.choices(KINDS, weights=[kind.weight for kind in KINDS], k=count)
