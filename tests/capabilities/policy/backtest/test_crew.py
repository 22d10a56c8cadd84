"""Workers that end well, and those that do not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.capabilities.policy.backtest.crew import MODULE, BacktestError, Crew
from gateway.capabilities.policy.backtest.enforcing import NOTHING
from gateway.capabilities.policy.backtest.source import Raw
from gateway.capabilities.policy.backtest.tally import Tally
from gateway.capabilities.policy.backtest.worker import Order
from gateway.capabilities.policy.bundle import Bundle
from gateway.domain import Hook
from tests.capabilities.policy.backtest.test_recorded import ALLOW, stored

QUICK = 'package gateway.intent\n\nverdict := {"outcome": "deny", "reasons": [{"rule": "no", "message": "no"}]}\n'
ENDLESS = """package gateway.intent

verdict := {"outcome": "allow"} if {
	some a in numbers.range(1, 100000)
	some b in numbers.range(1, 100000)
	a + b < 0
	input.request.route
}
"""
HUGE = "package gateway.intent\n\nverdict := count([[a, b] | some a in numbers.range(1, 30000); some b in numbers.range(1, 30000)])\n"


def order(source: str, **fields: Any) -> Order:
    bundle = Bundle(path=Path("candidate"), modules={"intent.rego": source}, tests={}, data={}, revision="r2")
    base: dict[str, Any] = {"baseline": None, "known": {}, "sources": (source,), "hooks": frozenset(Hook), "means": NOTHING, "limit_s": 30.0}
    return Order(candidate=bundle, **{**base, "memory_bytes": 2 << 30, **fields})


def batch(first: int, many: int = 3) -> list[Raw]:
    opened = stored({"decision": ALLOW, "route": "assistant"}, {"decision_input": {"request": {"route": "assistant"}}})
    return [Raw("acme", f"int_{number:028x}", opened, None) for number in range(first, first + many)]


def silent(tally: Tally) -> None:
    del tally


def running() -> list[int]:
    return [child.pid for child in psutil.Process().children(recursive=True) if MODULE in " ".join(child.cmdline())]


def test_batches_are_shared_out_and_added_up() -> None:
    seen: list[int] = []
    with Crew(order(QUICK), 2) as crew:
        tally = crew.run([batch(10 * number) for number in range(20)], lambda so_far: seen.append(so_far.decisions))
        assert len(running()) == 2
    assert (tally.records, tally.decisions, tally.kinds["newly_denied"], tally.by["rule", "newly_denied", "no"]) == (60, 60, 60, 60)
    assert tally.evaluated <= 2
    assert seen[-1] == 60
    assert running() == []


def test_a_policy_that_does_not_end_is_ended_with_the_record_that_it_hung_on() -> None:
    started = time.monotonic()
    with (
        pytest.raises(BacktestError, match=r"took longer than 0\.3 s on record int_0000000000000000000000000007") as caught,
        Crew(order(ENDLESS, limit_s=0.3), 2) as crew,
    ):
        crew.run([batch(7, 1)], silent)
    assert "cheaper" in str(caught.value)
    assert time.monotonic() - started < 30
    assert running() == []


def test_a_policy_that_takes_all_memory_is_ended() -> None:
    with pytest.raises(BacktestError, match="more than 400 MB"), Crew(order(HUGE, memory_bytes=400 << 20), 1) as crew:
        crew.run([batch(7, 1)], silent)
    assert running() == []


def test_a_worker_that_is_killed_is_an_error_and_takes_the_others_with_it() -> None:
    def killing() -> Any:
        yield batch(1)
        yield batch(4)
        for pid in running()[:1]:
            os.kill(pid, signal.SIGKILL)
        yield batch(7)

    with pytest.raises(BacktestError, match="status -9"), Crew(order(ENDLESS), 2) as crew:
        crew.run(killing(), silent)
    assert running() == []


def test_a_policy_that_does_not_compile_in_a_worker_is_an_error() -> None:
    with pytest.raises(BacktestError, match="while it started"), Crew(order("no rego"), 1):
        pass
    assert running() == []


def test_an_interrupt_ends_all_workers() -> None:
    def interrupted() -> Any:
        yield batch(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Crew(order(ENDLESS), 2) as crew:
        crew.run(interrupted(), silent)
    assert running() == []


ORPHANING = """
import os
from tests.capabilities.policy.backtest.test_crew import ENDLESS, QUICK, Crew, batch, order, running
with Crew(order(QUICK), 1) as idle, Crew(order(ENDLESS, limit_s=1.0), 1) as busy:
    busy._workers[0].tell(batch(1))
    print(*running(), flush=True)
    os.kill(os.getpid(), 9)
"""


def test_workers_whose_parent_is_killed_end_by_themselves_even_while_they_hang() -> None:
    root = Path(__file__).resolve().parents[4]
    done = subprocess.run([sys.executable, "-c", ORPHANING], cwd=root, capture_output=True, text=True, timeout=60, check=False)
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and any(map(_lives, pids)):
        time.sleep(0.05)
    assert not any(map(_lives, pids))


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
