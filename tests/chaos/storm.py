"""What callers and reviewers share while gateways are killed under them: where to call, what they were told, and when it is over."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from gateway.domain import Json
from tests.chaos.parked_stage import People
from tests.chaos.seen import Seen, read
from tests.chaos.wire import Answer, Wire

PATIENCE_S = 60.0
"""Nobody is left without an answer, or an end of the connection, for longer."""
FINAL = frozenset({"policy_denied", "cancelled", "indeterminate"})
"""Codes of errors that are what came of an intent."""


class Outcome(NamedTuple):
    """What came of an intent, as a client was told: its answer, or the code of an error."""

    error: str | None
    status: int | None
    """Of the answer to the call, where the outcome was the whole of it."""
    choices: list[Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call as a client means it, however often it is sent."""

    serial: int
    route: str
    key: str
    stream: bool
    wait: str
    idempotency_key: str | None

    @property
    def body(self) -> bytes:
        """The request."""
        text = f"Ticket T-{self.serial}: agent{self.serial}@example.com asks for the invoice."
        return orjson.dumps({"model": self.route, "stream": self.stream, "messages": [{"role": "user", "content": text}]})

    @property
    def headers(self) -> dict[str, str]:
        """Its own headers."""
        return {"x-gateway-wait": self.wait} | ({} if self.idempotency_key is None else {"idempotency-key": self.idempotency_key})


class Deed(NamedTuple):
    """What a reviewer did about a task, and what was said to it; status 0 where the connection was cut."""

    task: str
    intent: str
    by: str
    action: str
    content: str | None
    status: int
    code: str | None
    state: str | None
    """Of the task, afterwards."""


@dataclass(slots=True, kw_only=True)
class Storm:
    """The state of it. It belongs to one event loop."""

    people: People
    draw: random.Random
    told: dict[str, list[Outcome]] = field(default_factory=lambda: defaultdict(list))
    """Every intent that a client was told of, with what it was told of it."""
    calls: list[Call] = field(default_factory=list)
    of_key: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The intents that were named to who sent an idempotency key."""
    sent: Counter[int] = field(default_factory=Counter)
    """How often each call was sent."""
    plain: list[Seen] = field(default_factory=list)
    """What clients saw of calls that nobody holds."""
    owner: dict[str, str] = field(default_factory=dict)
    """The key that an intent was called with."""
    deeds: list[Deed] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    decided: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever a decision is on its way."""
    ending: bool = False
    """No new calls; everything that waits is decided in favour."""
    over: bool = False
    """Reviewers go home."""

    def note(self, intent: str, outcome: Outcome | None, call: Call | None) -> None:
        """A client was told of an intent, and perhaps what came of it."""
        outcomes = self.told[intent]
        if outcome is not None:
            outcomes.append(outcome)
        if call is not None:
            self.owner[intent] = call.key
            if call.idempotency_key is not None:
                self.of_key[call.idempotency_key].add(intent)


class Line:
    """One client's connections, one to each gateway, opened anew where they were cut."""

    def __init__(self, storm: Storm) -> None:
        self._storm = storm
        self._wires: dict[int, Wire] = {}

    async def ask(self, method: str, path: str, key: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Seen:
        """What came of a request to whichever gateway is there."""
        return read(await self.raw(method, path, key, body=body, headers=headers))

    async def raw(self, method: str, path: str, key: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """The bytes of it."""
        lines = {"host": "127.0.0.1", "authorization": f"Bearer {key}", "content-type": "application/json", **(headers or {}), "content-length": str(len(body))}
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
        wire = await self._wire()
        try:
            return await asyncio.wait_for(wire.call(head.encode() + body), PATIENCE_S)
        except TimeoutError:
            self._storm.problems.append(f"{method} {path.partition('?')[0]} was left without an answer for {PATIENCE_S} s")
            wire.close()
            return Answer(b"", whole=False)

    def close(self) -> None:
        """Hang up."""
        for wire in self._wires.values():
            wire.close()

    async def _wire(self) -> Wire:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            port = self._storm.draw.choice(self._storm.people.stages).port
            wire = self._wires.get(port)
            if wire is not None and not wire.closed:
                return wire
            try:
                self._wires[port] = await Wire.connect(port)
            except OSError:
                assert time.monotonic() < deadline, "no gateway is there"
                await asyncio.sleep(0.03)
