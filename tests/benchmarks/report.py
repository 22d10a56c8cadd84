"""The bench's figures as text."""

from __future__ import annotations

from gateway.domain import Json

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


def summary(results: Json) -> str:
    """The whole table, and what stands beside it."""
    rows = [line(key, result) for key, result in results.items() if isinstance(result, dict) and "floor" in result]
    said = [f"start to ready {results['start_to_ready_s']} s"]
    if "turn30" in results:
        said.append(f"the 30th turn costs {results['turn30']['cpu_over_first']} of the first's CPU")
    if "rss_growth_mb" in results:
        said.append(f"memory grew by {results['rss_growth_mb']} MiB")
    checks = results["checks"]
    said.append(f"{checks['calls']} calls, {checks['records']} records ({checks['completed']} completed), {checks['traces']} traces")
    said.append("records verify" if checks["verify_clean"] else "records do NOT verify")
    return "\n".join(["", HEAD, *rows, "", "; ".join(said)])
