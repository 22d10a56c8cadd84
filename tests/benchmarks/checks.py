"""Whether every call of the bench left its record and its trace."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import orjson

from gateway.domain import Json
from tests.stage import TENANT, Stage, get

_COUNT = "SELECT kind, state, COUNT(*) FROM entries WHERE intent_id <> '' GROUP BY kind, state"


def record_counts(database: Path) -> Json:
    """How many intents were opened, and how many closed as completed."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute(_COUNT).fetchall()
    opened = sum(count for kind, _, count in rows if kind == "opened")
    return {"records": opened, "completed": sum(count for kind, state, count in rows if kind == "closed" and state == "completed")}


def traces_at(port: int, expected: int, *, within_s: float = 20.0) -> int:
    """The distinct traces at the sink, which gets them a little after the answers."""
    deadline = time.monotonic() + within_s
    while True:
        traces = int(orjson.loads(get(port, "/")[1])["traces"])
        if traces >= expected or time.monotonic() > deadline:
            return traces
        time.sleep(0.2)


def check(stage: Stage, calls: int, collector_port: int) -> Json:
    """N calls = N records, all completed = N traces; and the chains verify."""
    counts = record_counts(stage.database)
    traces = traces_at(collector_port, calls)
    verified = stage.run("records", "verify", "--tenant", TENANT)
    equal = calls == counts["records"] == counts["completed"] == traces
    return {"calls": calls, **counts, "traces": traces, "equal": equal, "verify_clean": verified.returncode == 0}
