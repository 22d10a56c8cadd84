"""The bench's figures as text: for the terminal, and for ``docs/performance.md``."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from gateway.domain import Json
from tests.benchmarks import parked_report
from tests.benchmarks.workloads import PAIRS, SHARE

BEGIN, END = "<!-- figures: begin (made by `tests/benchmarks/bench.py --publish`) -->", "<!-- figures: end -->"

_MEANINGS = {
    "plain_c16": "whole answer, 16 connections",
    "plain_c1": "whole answer, 1 connection",
    "plain_c16_miss": "the same at 16, every prompt and verdict new",
    "stream_c16": "streamed answer, 16 connections",
    "stream_c1": "streamed answer, 1 connection",
    "turn30": "30th turn of a conversation, 16 connections",
}
PARKED = "parked"
"""The key of what parked intents cost."""
_HELD_TO_SHARE = frozenset({"plain_c16_assessed"})
_DIGITS = (("rps", 0), ("p50_ms", 1), ("p99_ms", 1), ("cpu_us", 0))
_ROW = "{:<16}{:>9.0f}{:>9.0f}{:>9.2f}{:>9.2f}{:>9.2f}{:>9.2f}{:>9.0f}{:>9.0f}{:>8.2f}"
HEAD = (
    f"{'':<16}{'req/s':>18}{'p50 ms':>18}{'p99 ms':>18}{'CPU us/request':>18}{'ratio':>8}\n"
    f"{'':<16}{'floor':>9}{'governed':>9}{'floor':>9}{'governed':>9}{'floor':>9}{'governed':>9}{'floor':>9}{'governed':>9}{'of CPU':>8}"
)


def line(key: str, result: Json) -> str:
    """One workload as a line of the table."""
    floor, governed = result["floor"], result["governed"]
    figures = [side[figure] for figure in ("rps", "p50_ms", "p99_ms", "cpu_us") for side in (floor, governed)]
    return _ROW.format(key, *figures, result["cpu_ratio"])


def pair_line(key: str, result: Json) -> str:
    """What schema and confidence cost beside the same call without them."""
    plain, assessed, over = result["plain"]["cpu_us"], result["assessed"]["cpu_us"], result["cpu_over_plain"]
    judged = "within a tenth" if over <= SHARE else "MORE than a tenth"
    kept = judged if key in _HELD_TO_SHARE else "for information: the whole answer has to be held"
    return f"`{key}`: {assessed:,.0f} us of CPU beside {plain:,.0f} without schema and confidence, {over:.3f} times as much ({kept})"


def summary(results: Json) -> str:
    """The whole table, and what stands beside it."""
    rows = [line(key, result) for key, result in results.items() if key in _MEANINGS]
    waiting = [*parked_report.table(results[PARKED]), "", parked_report.legend(results[PARKED]), ""] if PARKED in results else []
    return "\n".join(["", HEAD, *rows, "", *waiting, *_said(results)])


def _said(results: Json) -> list[str]:
    said = [f"{pair_line(key, results[key])}." for key in PAIRS if key in results]
    said += [f"Start to ready: {results['start_to_ready_s']} s."]
    if "turn30" in results:
        said.append(f"The 30th turn of a conversation costs {results['turn30']['cpu_over_first']} times the CPU of the first.")
    if "rss_growth_mb" in results:
        said.append(f"Memory grew by {results['rss_growth_mb']} MiB over the calls that are repeated for that.")
    checks = results["checks"]
    verified = "the records verify" if checks["verify_clean"] else "the records do NOT verify"
    said.append(f"{checks['calls']} calls = {checks['records']} records ({checks['completed']} completed) = {checks['traces']} traces; {verified}.")
    return said


def machine() -> str:
    """The machine in general terms."""
    cpu = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    cores = len(os.sched_getaffinity(0))
    system = ".".join(platform.release().split(".")[:2])
    return f"{cores} cores of a virtual machine ({cpu[1].strip() if cpu else platform.machine()}), Linux {system}, CPython {platform.python_version()}"


def publish(results: Json, document: Path) -> None:
    """Put the figures into their place in a Markdown document.

    Raises:
        ValueError: The document has no such place.
    """
    text = document.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document} has no place for the figures: {BEGIN} ... {END}")
    document.write_text(f"{before}{BEGIN}\n\n{_markdown(results)}\n\n{END}{after}", encoding="utf-8")


def _markdown(results: Json) -> str:
    rows = [f"Measured on {machine()}.", "", "| | req/s | p50 ms | p99 ms | CPU us per request | CPU ratio |", "|---|---|---|---|---|---|"]
    for key, meaning in _MEANINGS.items():
        floor, governed = results[key]["floor"], results[key]["governed"]
        pairs = [f"{floor[figure]:,.{digits}f} / {governed[figure]:,.{digits}f}" for figure, digits in _DIGITS]
        rows.append(f"| `{key}`: {meaning} | {' | '.join(pairs)} | **{results[key]['cpu_ratio']}** |")
    waiting = [*parked_report.markdown(results[PARKED]), "", parked_report.legend(results[PARKED])]
    return "\n".join([*rows, "", "Floor / governed, medians of rounds in turn.", "", *(f"- {sentence}" for sentence in _said(results)), "", *waiting])
