"""``make bench``: finds the checkout that it stands in, then runs ``tests.benchmarks.suite``."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    runpy.run_module("tests.benchmarks.suite", run_name="__main__")
