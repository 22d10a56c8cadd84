"""What it costs that intents wait for people: gateways with 100,000 parked intents in their database, as processes, beside the same ones with none.

Times are those of a client on a keep-alive connection, one request after the other. Every claim and every decision is of another intent; what was decided goes
on to its end in the gateway meanwhile.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

from gateway.domain import Json
from tests.benchmarks.measure import cpu_s, rss_mb
from tests.benchmarks.parked_scene import CHAT, Client, Office, Pair, held_prompt, pairs
from tests.benchmarks.processes import cores, serving, start_to_ready
from tests.benchmarks.runs import Extent, Runner, Side
from tests.benchmarks.workloads import WORKLOADS
from tests.stage import Server

_ACCEPT = '{"action": "accept"}'
_PAGES = 50
"""Pages of 200 that are turned to come to the later page, which is 10,000 tasks down the list."""
_SETTLE_S, _POLL_S = 0.2, 0.5
"""How long a caller has waited when a decision comes: at least the first, then at any moment of the time between two looks of its gateway for what another
process has ended."""
_FIRST_NUMBER = 80_000_000
"""Of the calls that callers wait for: none of them is the same as one that is parked already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much is measured."""

    parked: int
    idle_s: float
    starts: int
    requests: int
    """Lists of each kind, claims, decisions."""
    wakes: int
    """Decisions that a caller waits for, in each process."""
    ordinary: Extent


FULL = Amount(parked=100_000, idle_s=20.0, starts=3, requests=200, wakes=15, ordinary=Extent(rounds=3, seconds=1.5, conversations=0, growth_calls=0))
QUICK = Amount(parked=10_000, idle_s=5.0, starts=1, requests=50, wakes=5, ordinary=Extent(rounds=1, seconds=1.0, conversations=0, growth_calls=0))


class Running(NamedTuple):
    """The processes of a pair: with parked intents the one that is measured, and with none."""

    parked: Server
    empty: Server


def measure(folder: Path, upstream: int, collector: int, amount: Amount) -> Json:
    """All figures, by database; ``upstream`` and ``collector`` are the ports of what the gateways call."""
    results: Json = {"parked": amount.parked, "idle_s": amount.idle_s}
    with pairs(folder, upstream, collector, amount.parked) as found, ExitStack() as stack:
        for name, pair in found.items():
            results[name] = {
                "start_to_ready_s": {"parked": start_to_ready(pair.parked.stage, amount.starts), "empty": start_to_ready(pair.empty.stage, amount.starts)}
            }
        running = {name: _start(pair, stack) for name, pair in found.items()}
        for name, idle in _idle(running, amount.idle_s).items():
            results[name] |= idle
        for name, pair in found.items():
            results[name] |= _asked(pair.parked, amount) | {"ordinary": _ordinary(pair, running[name], amount.ordinary)}
    return results


def _start(pair: Pair, stack: ExitStack) -> Running:
    core, _ = cores()
    stages = (*pair.parked.stages, pair.empty.stage)
    servers = [
        stack.enter_context(serving(stage.folder / f"gateway-{stage.port}.log", ["gateway", "run", "--config", str(stage.config)], stage.port, core))
        for stage in stages
    ]
    return Running(servers[0], servers[-1])


def _idle(running: dict[str, Running], seconds: float) -> dict[str, Json]:
    """CPU in per cent of a core, and memory in MiB, while nobody asks for anything: of all gateways at the same time."""
    before = {name: tuple(cpu_s(server.pid) for server in pair) for name, pair in running.items()}
    time.sleep(seconds)
    found: dict[str, Json] = {}
    for name, pair in running.items():
        used = [100 * (cpu_s(server.pid) - earlier) / seconds for server, earlier in zip(pair, before[name], strict=True)]
        memory = [round(rss_mb(server.pid)) for server in pair]
        found[name] = {
            "idle_percent": {"parked": round(used[0], 2), "empty": round(used[1], 2)},
            "rss_mb": {"parked": memory[0], "empty": memory[1]},
        }
    return found


def _asked(office: Office, amount: Amount) -> Json:
    """What reviewers and waiting callers see."""
    with office.person() as person:
        cursor, ids = _turned(person)
        chosen = iter(random.Random(9).sample(ids, 2 * amount.requests))
        pages = {"list": "", "list_later": f"?cursor={cursor}", "list_queue": "?queue=desk3"}
        found = {name: _timed(amount.requests, partial(person.ask, "GET", f"/v1/tasks{query}")) for name, query in pages.items()}
        found["claim"] = _timed(amount.requests, lambda: person.ask("POST", f"/v1/tasks/{next(chosen)}/claim"))
        found["decide"] = _timed(amount.requests, lambda: person.ask("POST", f"/v1/tasks/{next(chosen)}/decide", _ACCEPT))
        numbers = count(_FIRST_NUMBER)
        found["wake"] = _quantiles([_woken(office, 0, person, next(numbers)) for _ in range(amount.wakes)])
        if len(office.stages) > 1:
            found["wake_other"] = _quantiles([_woken(office, 1, person, next(numbers)) for _ in range(amount.wakes)])
    return found


def _turned(person: Client) -> tuple[str, list[str]]:
    """Where the later page begins, and the tasks before it."""
    cursor, ids = "", list[str]()
    for _ in range(_PAGES):
        listed, _ = person.ask("GET", f"/v1/tasks?limit=200{cursor and '&cursor='}{cursor}")
        ids += [task["id"] for task in listed["data"]]
        if listed["cursor"] is None:
            break
        cursor = listed["cursor"]
    return cursor, ids


def _woken(office: Office, at: int, person: Client, number: int) -> float:
    """Milliseconds from a decision, as it is posted to the first process, to the answer of a caller that waits in process ``at``."""
    body = held_prompt(f"{number:08d}")
    with office.caller() as first, office.caller(at) as second, ThreadPoolExecutor(1) as pool:
        _, headers = first.ask("POST", CHAT, body, {"x-gateway-wait": "0"})
        answered = pool.submit(_answered, second, body)
        time.sleep(_SETTLE_S + random.random() * _POLL_S)
        began = time.perf_counter()
        person.ask("POST", f"/v1/tasks/{headers['x-gateway-task']}/decide", _ACCEPT)
        return (answered.result() - began) * 1_000


def _answered(caller: Client, body: str) -> float:
    """When the same call, which joins the one that waits, has its answer.

    Raises:
        RuntimeError: It is not the model's.
    """
    answer, _ = caller.ask("POST", CHAT, body, {"x-gateway-wait": "30"})
    now = time.perf_counter()
    if not answer["choices"][0]["message"]["content"]:
        raise RuntimeError("a caller was sent away before its call was decided")
    return now


def _ordinary(pair: Pair, running: Running, extent: Extent) -> Json:
    """Calls that nobody has to approve, beside parked intents (``governed``) and beside none (``floor``)."""
    sides = [
        Side(name=name, port=office.stage.port, pid=server.pid, key=office.stage.key)
        for name, office, server in (("empty", pair.empty, running.empty), ("parked", pair.parked, running.parked))
    ]
    compared = Runner(sides[0], sides[1], extent, cores()[1]).compare(WORKLOADS["plain_c16"])
    return {"empty": compared["floor"], "parked": compared["governed"], "cpu_ratio": compared["cpu_ratio"]}


def _timed(times: int, once: Callable[[], object]) -> Json:
    return _quantiles([_took(once) for _ in range(times)])


def _took(once: Callable[[], object]) -> float:
    began = time.perf_counter()
    once()
    return (time.perf_counter() - began) * 1_000


def _quantiles(took: list[float]) -> Json:
    return {"p50_ms": round(statistics.median(took), 2), "p95_ms": round(statistics.quantiles(took, n=20)[18], 2), "max_ms": round(max(took), 2)}
