"""The figures of parked intents as a table: for the terminal, and for ``docs/performance.md``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from gateway.domain import Json

QUICK_MS, WAKE_MS = 20.0, 1_000.0
"""The most that the 95th percentile of a list or a claim is to take, and that of a decision's way to a waiting caller."""
_PAIRS: Final = {"idle_percent": "idle CPU, % of a core", "rss_mb": "memory, MiB", "start_to_ready_s": "start to ready, s"}
_TIMES: Final = {
    "list": ("`GET /v1/tasks`, first page, ms", QUICK_MS),
    "list_later": ("the page after 10,000 tasks, ms", QUICK_MS),
    "list_queue": ("first page of one queue, ms", QUICK_MS),
    "claim": ("claim a task, ms", QUICK_MS),
    "decide": ("decide a task, ms", None),
    "wake": ("from a decision to the waiting caller, ms", WAKE_MS),
    "wake_other": ("the same, it waits in another process, ms", WAKE_MS),
}
_ORDINARY: Final = {"cpu_us": ("CPU of a call without people, us", 0), "p50_ms": ("its p50 at 16 connections, ms", 1)}
_WIDTH: Final = 44


def table(figures: Json) -> list[str]:
    """For the terminal."""
    return ["".join([row[0].replace("`", "").ljust(_WIDTH), *(cell.rjust(28) for cell in row[1:])]) for row in _rows(figures)]


def markdown(figures: Json) -> list[str]:
    """For a document."""
    head, *rows = _rows(figures)
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines]


def legend(figures: Json) -> str:
    """What the cells are."""
    return (
        f"With {figures['parked']:,} parked intents / with none for idle CPU (over {figures['idle_s']:.0f} s), memory, start and the call without people; "
        "p50 / p95 for the rest, and the limit of p95."
    )


def _rows(figures: Json) -> Iterator[list[str]]:
    names = [name for name in ("SQLite", "PostgreSQL") if name in figures]
    databases = [figures[name] for name in names]
    yield [f"{figures['parked']:,} parked intents", *names, "limit"]

    def row(name: str, cells: Iterable[str], limit: str = "") -> list[str]:
        return [name, *cells, limit]

    for key, name in _PAIRS.items():
        yield row(name, (f"{found[key]['parked']} / {found[key]['empty']}" for found in databases), "near 0" if key == "idle_percent" else "")
    for key, (name, limit) in _TIMES.items():
        yield row(name, (_time(found.get(key), limit) for found in databases), "" if limit is None else f"{limit:,.0f}")
    for key, (name, digits) in _ORDINARY.items():
        both = ([found["ordinary"][side][key] for side in ("parked", "empty")] for found in databases)
        yield row(name, (f"{parked:,.{digits}f} / {empty:,.{digits}f}" for parked, empty in both))


def _time(found: Json | None, limit: float | None) -> str:
    if found is None:
        return "-"
    shown = f"{found['p50_ms']:,.1f} / {found['p95_ms']:,.1f}"
    return f"{shown} (MORE)" if limit is not None and found["p95_ms"] > limit else shown
