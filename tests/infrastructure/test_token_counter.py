from __future__ import annotations

import subprocess
import sys
import time

import pytest

from gateway.infrastructure.token_counter import TokenCounter

COUNTER = TokenCounter()


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("hello world", 2), ("tiktoken is great!", 6), ("お誕生日おめでとう", 9)])
def test_counts_are_those_of_cl100k_base(text: str, tokens: int) -> None:
    assert COUNTER.count(text) == tokens


@pytest.mark.parametrize("text", ["a" * 1_000_000, "^" * 1_000_000, " " * 1_000_000, "1" * 1_000_000, "\ud800" * 10_000, "é" * 1_000_000])
def test_a_hostile_text_is_counted_with_bounded_effort(text: str) -> None:
    before = time.thread_time()
    tokens = COUNTER.count(text)
    assert 0 < tokens <= 3 * len(text)
    assert time.thread_time() - before < 30  # seconds where it would take minutes; no measurement


def test_the_encoding_comes_from_the_package_alone() -> None:
    program = """
import socket, tempfile
from gateway.infrastructure.token_counter import TokenCounter
def refuse(*_): raise AssertionError
socket.socket.connect = tempfile.gettempdir = refuse
assert TokenCounter().count("hello world") == 2
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
