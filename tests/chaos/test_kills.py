"""``kill -9`` at any moment: every answer that a client saw complete is on record, and what it saw in part is not passed off as anything else."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest
import uvloop

from tests.chaos.conftest import StartProvider
from tests.chaos.ledger import Ledger, disagreement
from tests.chaos.seen import Seen, read
from tests.chaos.wire import Answer, Wire, request
from tests.stage import TENANT, Server, Stage, build

ROUNDS = int(os.environ.get("GATEWAY_CHAOS_ROUNDS", "50"))
CLIENTS = 240
IN_FLIGHT = 200
VERIFY_EVERY = 5

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

    async def call_on(self, *, stream: bool) -> None:
        """One client."""
        wire = await Wire.connect(self.port)
        self.wires.append(wire)
        await asyncio.sleep(self.draw.random() * 0.2)
        whole = True
        while whole:
            answer = await wire.call(request(self.key, self._body(stream=stream)))
            self.answers.append((stream, answer))
            whole = answer.whole
        wire.close()

    def _body(self, *, stream: bool) -> bytes:
        self.serial += 1
        text = f"Ticket T-{self.serial}: agent{self.serial}@example.com asks for the invoice; {_WISHES[self.serial % 3]}."
        return orjson.dumps({"model": "assistant", "stream": stream, "messages": [{"role": "user", "content": text}]})

    @property
    def in_flight(self) -> int:
        """Calls whose answer is not whole."""
        return sum(wire.waiting for wire in self.wires)


async def load_and_kill(crowd: Crowd, gateway: Server) -> int:
    """Let the crowd call, and kill the gateway at a random moment with enough of them in flight; how many were."""
    clients = [asyncio.ensure_future(crowd.call_on(stream=number % 2 == 0)) for number in range(CLIENTS)]
    await asyncio.sleep(0.2 + crowd.draw.random() * 0.9)
    for _ in range(400):
        if crowd.in_flight >= IN_FLIGHT:
            break
        await asyncio.sleep(0.005)
    in_flight = crowd.in_flight
    gateway.kill()
    await asyncio.gather(*clients)
    return in_flight


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


@pytest.mark.parametrize("seed", [int(os.environ.get("GATEWAY_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)])
def test_every_answer_that_a_client_saw_is_on_record_after_a_kill(seed: int, tmp_path: Path, start_provider: StartProvider) -> None:
    stage = build(tmp_path, upstream=start_provider(SCRIPT))
    draw, ledger, tally, serial = random.Random(seed), Ledger(stage.database), Counter[str](), 0
    gateway = started(stage)
    try:
        for number in range(1, ROUNDS + 1):
            crowd = Crowd(key=stage.key, port=stage.port, draw=draw, serial=serial)
            in_flight = uvloop.run(load_and_kill(crowd, gateway))
            serial = crowd.serial
            gateway = started(stage)
            assert in_flight >= IN_FLIGHT
            logs = [(stream, read(answer)) for stream, answer in crowd.answers]
            assert {seen.status for _, seen in logs} <= {0, 200}
            compare(logs, ledger, tally)
            if number % VERIFY_EVERY == 0 or number == ROUNDS:
                verify(stage)
    finally:
        gateway.stop()
    print(dict(sorted(tally.items())))
    for expected in ("plain seen complete, on record completed", "stream seen complete, on record completed", "stream seen in part, on record indeterminate"):
        assert tally[expected] > 0, tally
