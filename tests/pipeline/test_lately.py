from __future__ import annotations

import time

import pytest

from gateway.pipeline.lately import Lately


def test_who_was_held_lately_is_remembered_for_the_time_in_which_calls_join(monkeypatch: pytest.MonkeyPatch) -> None:
    lately, now = Lately(join_s=600), time.monotonic()
    assert not lately.parked("acme", "k1", 100)
    lately.note("acme", "k1", 100)
    assert lately.parked("acme", "k1", 100)
    assert not lately.parked("acme", "k1", 101)
    assert not lately.parked("globex", "k1", 100)
    assert not lately.parked("acme", "k2", 100)
    assert not lately.parked("acme", "k1", 101)
    monkeypatch.setattr(time, "monotonic", lambda: now + 700)
    assert not lately.parked("acme", "k1", 100)
    assert not lately.parked("acme", "k1", 100)


def test_of_many_the_last_ones_are_remembered() -> None:
    lately = Lately(join_s=600, entries=2)
    for subject in ("k1", "k2", "k1", "k3"):
        lately.note("acme", subject, 100)
    assert [lately.parked("acme", subject, 100) for subject in ("k1", "k2", "k3")] == [True, False, True]
