"""What lists, claims and sweeps cost while many intents wait: ``python -m tests.benchmarks.waiting [--rows N] [--postgres]``. Milliseconds, p50 and p95."""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from gateway.capabilities.intents import IntentStore, park, resume, settle, sweep_expired
from gateway.capabilities.tasks.store import TaskStore, claim, decide
from gateway.domain import State
from gateway.domain_tasks import Action, TaskState
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_schema import intents, payloads, tasks
from tests.capabilities.waiting_rows import ANN, Desk, a_move, a_payload, a_task, an_approval, an_intent
from tests.servers.postgres_fixtures import secret
from tests.servers.postgres_server import find_binaries, postgres

QUEUES = 20
TIMES = 300
_BATCH = 5_000


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with _database(on_server=options.postgres) as database:
        database.prepare()
        began = time.monotonic()
        _fill(database, options.rows)
        sys.stdout.write(f"{options.rows} parked on {'PostgreSQL' if options.postgres else 'SQLite'}, filled in {time.monotonic() - began:.0f} s\n")
        for name, p50, p95 in _measured(database, options.rows):
            sys.stdout.write(f"{name:32} p50 {p50:7.2f}  p95 {p95:7.2f}\n")


@contextmanager
def _database(*, on_server: bool) -> Iterator[Database]:
    if not on_server:
        with tempfile.TemporaryDirectory() as folder:
            yield Database(Path(folder) / "g.db")
        return
    binaries = find_binaries()
    if binaries is None:
        sys.exit("PostgreSQL is not there")
    with postgres(binaries) as server:
        database = Database(secret(server.url(server.create())))
        yield database
        database.release()


def _fill(database: Database, count: int) -> None:
    """Every fifth is claimed; all are due within a day, and expire after it."""
    chance = random.Random(7)
    for start in range(0, count, _BATCH):
        names = [str(number) for number in range(start, min(count, start + _BATCH))]
        states = [TaskState.CLAIMED if chance.random() < 0.2 else TaskState.OPEN for _ in names]
        made = [
            a_task(name, state)._replace(due_ns=chance.randrange(10**9), expires_ns=2 * 10**9, queue=f"q{chance.randrange(QUEUES):02}")
            for name, state in zip(names, states, strict=True)
        ]
        with database.write() as connection:
            connection.execute(insert(intents), [an_intent(name)._asdict() for name in names])
            connection.execute(insert(tasks), [row._asdict() for row in made])
            connection.execute(insert(payloads), [a_payload("call", name, sealed=bytes(500))._asdict() for name in names])
    if database.shared:
        with database.bare() as connection:
            connection.exec_driver_sql("ANALYZE")  # as a server does by itself within a minute


def _measured(database: Database, count: int) -> Iterator[tuple[str, float, float]]:
    store, found, desk = IntentStore(database), TaskStore(database), Desk(database)
    chance, fresh = random.Random(8), itertools.count(count)
    both = [TaskState.OPEN, TaskState.CLAIMED]
    page: dict[str, Any] = {"states": both, "due_before_ns": None, "limit": 50}
    deep = found.page("acme", queues=None, cursor=None, **{**page, "limit": count // 2}).cursor
    places = [("acme", f"int_{chance.randrange(count)}") for _ in range(1_000)]
    waiting = iter(chance.sample(range(count), 4 * TIMES))
    decided: list[int] = []

    def claimed() -> None:
        desk.move(claim("acme", f"tsk_{next(waiting)}", by=ANN, name="Ann", now_ns=10_000, until_ns=20_000))

    def approve() -> None:
        number = next(waiting)
        row = found.get("acme", f"tsk_{number}")
        assert row is not None
        fixed: dict[str, Any] = {"by": ANN, "name": "", "now_ns": 10_000, "action": Action.ACCEPT, "revoke": (), "payloads": (), "complete": True}
        desk.move(decide("acme", row.id, version=row.version, approval=an_approval(str(number)), ready_ns=1, **fixed))
        decided.append(number)

    def go_on() -> None:
        number = decided.pop()
        desk.move(resume("acme", f"int_{number}", version=2, now_ns=1, trace="", approvals=(an_approval(str(number)).id,)))

    def parked() -> None:
        name = str(next(fresh))
        desk.move(park(an_intent(name), task=a_task(name), payloads=[a_payload("call", name)], announce=True, join_since_ns=0))

    def settled() -> None:
        name = str(next(waiting))
        fixed: dict[str, Any] = {"now_ns": 1, "http_status": 403, "answer": None, "expires_ns": 1, "move": a_move(by="gateway.expiry", task=name)}
        desk.move(settle("acme", f"int_{name}", version=1, state=State.EXPIRED, task_state=TaskState.EXPIRED, **fixed))

    cases: list[tuple[str, Callable[[], object]]] = [
        ("list, all queues", lambda: found.page("acme", queues=None, cursor=None, **page)),
        ("list, all queues, half way", lambda: found.page("acme", queues=None, cursor=deep, **page)),
        ("list, one queue", lambda: found.page("acme", queues=["q03"], cursor=None, **page)),
        ("list, 20 queues", lambda: found.page("acme", queues=[f"q{number:02}" for number in range(QUEUES)], cursor=None, **page)),
        ("sweep: ready, none", lambda: store.ready(10_000, 100)),
        ("sweep: lapsed, none", lambda: found.lapsed(10_000, 100)),
        ("1,000 waiters", lambda: store.ended(places)),
        ("load", lambda: store.load("acme", f"int_{chance.randrange(count)}")),
        ("same call", lambda: store.same_call("acme", "key_agent", f"call {chance.randrange(count)}", 0)),
        ("claim", claimed),
        ("decide", approve),
        ("resume", go_on),
        ("park", parked),
        ("settle", settled),
        ("sweep expired, 1 row", lambda: desk.move(sweep_expired(10_000, 1))),
    ]
    for name, once in cases:
        took = [_took(once) for _ in range(TIMES)]
        yield name, statistics.median(took), statistics.quantiles(took, n=20)[18]
    desk.close()


def _took(once: Callable[[], object]) -> float:
    began = time.perf_counter()
    once()
    return (time.perf_counter() - began) * 1_000


if __name__ == "__main__":
    main()
