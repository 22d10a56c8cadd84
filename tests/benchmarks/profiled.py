"""Runs the gateway's command line under a profiler: ``profiled MODE TABLE ARGUMENT...``. ``SIGUSR2`` starts it, the end of the process writes the table.

``sample`` looks every millisecond of CPU time at what runs in the main thread, and distorts little, but a C function counts as its caller's line.
``calls`` is cProfile: C functions apart and the number of calls, but cheap functions look dearer than they are.
"""

from __future__ import annotations

import cProfile
import io
import pstats
import signal
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Protocol

from gateway.__main__ import main

_TOP = 40
_EVERY_S = 0.001


class Profiler(Protocol):
    """A way of profiling this process."""

    def start(self) -> None:
        """Begin, in the main thread."""

    def table(self) -> str:
        """Stop; the dearest functions as text."""


class Sampler:
    """Counts who runs when the CPU timer strikes."""

    def __init__(self) -> None:
        self._own: Counter[CodeType] = Counter()
        self._lines: Counter[tuple[CodeType, int]] = Counter()
        self._with_callees: Counter[CodeType] = Counter()
        self._samples = 0

    def start(self) -> None:
        """Set the timer."""
        signal.signal(signal.SIGPROF, self._strike)
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)

    def _strike(self, _: int, frame: FrameType | None) -> None:
        self._samples += 1
        if frame is not None:
            self._own[frame.f_code] += 1
            self._lines[frame.f_code, frame.f_lineno] += 1
        stack = set()
        while frame is not None:
            stack.add(frame.f_code)
            frame = frame.f_back
        self._with_callees.update(stack)

    def table(self) -> str:
        """Functions by own time, then lines."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        total = max(self._samples, 1)
        rows = [f"{self._samples} samples", "   own %  with callees %  function"]
        rows += [f"{100 * count / total:8.1f}{100 * self._with_callees[code] / total:16.1f}  {_name(code)}" for code, count in self._own.most_common(_TOP)]
        rows += ["   own %  line"]
        rows += [f"{100 * count / total:8.1f}  {_name(code)} at {number}" for (code, number), count in self._lines.most_common(_TOP)]
        rows += ["with callees %  function"]
        rows += [f"{100 * count / total:14.1f}  {_name(code)}" for code, count in self._with_callees.most_common(2 * _TOP)]
        return "\n".join(rows)


def _name(code: CodeType) -> str:
    parts = Path(code.co_filename).parts
    return f"{'/'.join(parts[-3:])}:{code.co_firstlineno} {code.co_qualname}"


class Calls:
    """cProfile, by own time."""

    def __init__(self) -> None:
        self._profile = cProfile.Profile()

    def start(self) -> None:
        """Begin counting."""
        self._profile.enable()

    def table(self) -> str:
        """The usual table of pstats."""
        self._profile.disable()
        text = io.StringIO()
        pstats.Stats(self._profile, stream=text).strip_dirs().sort_stats("tottime").print_stats(_TOP)
        return text.getvalue()


def _leave(*_: object) -> None:
    raise SystemExit(0)


def run(mode: str, table: Path) -> None:
    """The gateway's command line, which finds its own arguments in ``sys.argv``."""
    profiler: Profiler = Sampler() if mode == "sample" else Calls()
    signal.signal(signal.SIGUSR2, lambda *_: profiler.start())
    signal.signal(signal.SIGTERM, _leave)  # the server hands the signal on when it has shut down, which by default would end the process at once
    try:
        main()
    finally:
        table.write_text(profiler.table())


if __name__ == "__main__":
    _mode, _table = sys.argv[1:3]
    del sys.argv[1:3]
    run(_mode, Path(_table))
