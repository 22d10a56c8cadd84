"""``kill -9`` at any moment: every answer that a client saw complete is on record, and what it saw in part is not passed off as anything else."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest
import uvloop

from tests.chaos.conftest import StartProvider
from tests.chaos.crowd import SCRIPT, Crowd, compare, started, verify
from tests.chaos.ledger import Ledger
from tests.chaos.seen import read
from tests.stage import Server, build

ROUNDS = int(os.environ.get("GATEWAY_CHAOS_ROUNDS", "50"))
CLIENTS = 240
IN_FLIGHT = 200
VERIFY_EVERY = 5


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
