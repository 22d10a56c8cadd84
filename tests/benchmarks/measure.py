"""What a process has used, from the kernel: CPU time of all its threads and children, resident memory, open files."""

from __future__ import annotations

import os
import time
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """CPU seconds (user and system) of a process: threads, living children, and children that have ended.

    The process's own share is read from its CPU clock in nanoseconds, since the 10 ms ticks of ``/proc/PID/stat`` are coarse for short runs.
    The clock's id is that of ``clock_getcpuclockid(3)``: the inverted pid, shifted by three bits, and 2 for the scheduler's clock.
    """
    return time.clock_gettime((~pid << 3) | 2) + _ended_children_s(pid) + sum(_living(child) for child in _children(pid))


def _living(pid: int) -> float:
    try:
        return cpu_s(pid)
    except OSError:
        return 0.0  # it has ended since it was listed; from now on it counts among those that have


def _ended_children_s(pid: int) -> float:
    """``cutime`` and ``cstime``, fields 16 and 17 of proc_pid_stat(5); the name in field 2 may hold spaces."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) * _TICK_S


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += map(int, (thread / "children").read_text().split())
        except OSError:
            continue  # the thread has ended, or the kernel does not list children
    return found


def rss_mb(pid: int) -> float:
    """Resident memory in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def open_files(pid: int) -> int:
    """Open file descriptors."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
