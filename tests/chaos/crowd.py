"""Many clients at once, the provider that they reach through the gateway, and whether what they saw is what the records say."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import orjson

from tests.chaos.ledger import Ledger, disagreement
from tests.chaos.seen import Seen
from tests.chaos.wire import Answer, Wire, request
from tests.stage import TENANT, Server, Stage

SCRIPT = """\
models: [simulated-1]
rules:
  - name: a stream that calls a tool
    when: {contains: find the order, stream: true}
    reply: "One moment, I look for {placeholder:EMAIL_ADDRESS} in the list of orders."
    tool_calls: [{name: find_order, arguments: {email: "{placeholder:EMAIL_ADDRESS}", note: "as it was written"}}]
    chunks: 8
    pace_ms: 25
  - name: a quick stream
    when: {contains: quick, stream: true}
    reply: "{echo}"
    chunks: 24
    pace_ms: 10
  - name: a stream
    when: {stream: true}
    reply: "{echo} I have written to {placeholder:EMAIL_ADDRESS} about it and will come back when there is an answer; until then nothing is sent twice."
    chunks: 16
    pace_ms: 35
  - name: a quick answer
    when: {contains: quick}
    reply: "{echo}"
    first_token_ms: 120
  - name: an answer
    reply: "{echo} The invoice goes to {placeholder:EMAIL_ADDRESS}."
    first_token_ms: 450
"""
_WISHES = ("please be quick", "take your time", "find the order")


@dataclass(slots=True)
class Crowd:
    """Clients that call again and again until the gateway is gone. Every other one streams."""

    key: str
    port: int
    draw: random.Random
    serial: int = 0
    wires: list[Wire] = field(default_factory=list)
    answers: list[tuple[bool, Answer]] = field(default_factory=list)
    """Whether a stream was asked for, and what came."""
    leaving: bool = False
    """Whether each client makes do with the answer that it waits for."""

    async def call_on(self, *, stream: bool) -> None:
        """One client."""
        wire = await Wire.connect(self.port)
        self.wires.append(wire)
        await asyncio.sleep(self.draw.random() * 0.2)
        whole = True
        while whole:
            answer = await wire.call(request(self.key, self._body(stream=stream)))
            self.answers.append((stream, answer))
            whole = answer.whole and not self.leaving
        wire.close()

    def _body(self, *, stream: bool) -> bytes:
        self.serial += 1
        text = f"Ticket T-{self.serial}: agent{self.serial}@example.com asks for the invoice; {_WISHES[self.serial % 3]}."
        return orjson.dumps({"model": "assistant", "stream": stream, "messages": [{"role": "user", "content": text}]})

    @property
    def in_flight(self) -> int:
        """Calls whose answer is not whole."""
        return sum(wire.waiting for wire in self.wires)


def started(stage: Stage) -> Server:
    """The gateway, ready: it has recovered by then."""
    gateway = stage.gateway()
    gateway.wait_ready(stage.port)
    return gateway


def verify(stage: Stage) -> None:
    """The chains hold."""
    done = stage.run("records", "verify", "--tenant", TENANT)
    assert done.returncode == 0, done.stdout + done.stderr


def compare(logs: list[tuple[bool, Seen]], ledger: Ledger, tally: Counter[str]) -> None:
    """Every client's log agrees with the records; counts what kinds of log there were."""
    ledger.read_on()
    assert not ledger.left_open()
    assert not ledger.ends_twice()
    wrong = [problem for _, seen in logs if (problem := disagreement(seen, ledger)) is not None]
    assert not wrong, f"{len(wrong)} of {len(logs)}:\n" + "\n".join(wrong[:10])
    for stream, seen in logs:
        how = "complete" if seen.complete else "nothing" if seen.record is None else "in part"
        state = ledger.closed[seen.record][0].facts["state"] if seen.record else "unknown"
        tally[f"{'stream' if stream else 'plain'} seen {how}, on record {state}"] += 1
