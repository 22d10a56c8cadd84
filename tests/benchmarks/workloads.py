"""What the bench sends. Every prompt holds personal data in the clear, so that redaction has something to find, replace and restore."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from gateway.domain import Json
from tests.benchmarks.load import SERIAL

_SERIAL = SERIAL.decode()
_SYSTEM = "You help the support team. Answer in short steps, quote no more of a customer's data than the step needs, and say what you are not sure of."
_USER = (
    "Order {number}: Maria Lopez <maria.lopez@example.com>, phone +1 202-555-0143, paid with card 4111 1111 1111 1111 and wants the invoice again. What next?"
)
_TURNS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Bodies that are sent in turn over some connections."""

    bodies: tuple[str, ...]
    connections: int


def prompt(number: str, *, stream: bool, label: str = "support", route: str = "assistant") -> str:
    """A body of about half a kilobyte; ``number`` makes its text a text of its own, ``label`` is a part of what the policy judges."""
    body: Json = {
        "model": route,
        "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _USER.format(number=number)}],
        "temperature": 0.2,
        "max_tokens": 256,
        "tools": [_tool(label)],
    }
    if stream:
        body["stream"] = True
    return orjson.dumps(body).decode()


def _tool(label: str) -> Json:
    return {"type": "function", "function": {"name": f"find_{label}"}}


def conversation(number: str, turns: int) -> str:
    """An agent's request at its ``turns``-th turn: the whole history is sent again, then a new message."""
    messages: list[Json] = [{"role": "system", "content": _SYSTEM}]
    for turn in range(1, turns + 1):
        messages.append({"role": "user", "content": _USER.format(number=f"{number}-{turn:02d}")})
        if turn < turns:
            messages.append(
                {
                    "role": "assistant",
                    "content": f"Step {turn} of case {number}: the order was found, the card was charged once, the invoice can be sent again.",
                }
            )
    return orjson.dumps({"model": "assistant", "messages": messages, "temperature": 0.2, "max_tokens": 256}).decode()


def conversations(run: int, count: int, turns: int) -> tuple[str, ...]:
    """``count`` conversations at one turn; another ``run`` has others."""
    return tuple(conversation(f"{run:03d}{case:05d}", turns) for case in range(count))


WORKLOADS = {
    "plain_c16": Workload(bodies=(prompt("00000000", stream=False),), connections=16),
    "plain_c1": Workload(bodies=(prompt("00000000", stream=False),), connections=1),
    "plain_c16_miss": Workload(bodies=(prompt(_SERIAL, stream=False, label=_SERIAL),), connections=16),
    "stream_c16": Workload(bodies=(prompt("00000000", stream=True),), connections=16),
    "stream_c1": Workload(bodies=(prompt("00000000", stream=True),), connections=1),
}
"""By their keys in ``build/bench.json``. In ``plain_c16_miss`` text and tool name of each request are new, so that neither findings nor verdict are known."""
TURN30 = "turn30"
LAST_TURN = _TURNS
MIXED = Workload(bodies=(prompt("00000000", stream=False), prompt("00000000", stream=True)), connections=16)
"""For the growth of memory: the same two calls again and again, so that what grows is not a memo that fills."""


PLAIN_ROUTE, ASSESSED_ROUTE = "openai", "triage"
"""Routes that the shipped policies know, with names of one length, so that the requests have the same number of bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The same call on two routes to one target, which gives both the same JSON answer: one route has a schema and confidence, the other one has not."""

    plain: Workload
    assessed: Workload


def _pair(*, stream: bool) -> Pair:
    plain, assessed = (Workload(bodies=(prompt("00000000", stream=stream, route=route),), connections=16) for route in (PLAIN_ROUTE, ASSESSED_ROUTE))
    return Pair(plain=plain, assessed=assessed)


PAIRS = {"plain_c16_assessed": _pair(stream=False), "stream_c16_buffered_assessed": _pair(stream=True)}
SHARE = 1.1
"""Of the CPU of the plain call: the most that the assessed one is to cost where it is no stream, which has to be held instead of passed."""
SCHEMA: Json = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "maxLength": 4000},
        "status": {"enum": ["open", "paid", "cancelled"]},
        "amount": {"type": "number", "minimum": 0},
        "next_step": {"type": "string"},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "required": ["summary", "status", "amount", "next_step", "confidence"],
    "additionalProperties": False,
}
"""What the route asks for; ``static_upstream.STRUCTURED`` meets it."""
