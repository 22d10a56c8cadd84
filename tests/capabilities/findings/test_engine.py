"""Which candidates hold."""

from __future__ import annotations

from gateway.capabilities.findings.engine import resolve
from gateway.capabilities.findings.model import Candidate


def test_what_starts_first_wins_then_the_lower_rank_then_the_longer() -> None:
    first, later = Candidate(0, 9, 5, "A"), Candidate(3, 1, 9, "B")
    low, high = Candidate(10, 1, 12, "C"), Candidate(10, 2, 20, "D")
    short, long = Candidate(30, 1, 32, "E"), Candidate(30, 1, 34, "F")
    accepted, pending = resolve([later, first, high, low, short, long], 0, b"x" * 40)
    assert [found.category for found in accepted] == ["A", "C", "F"]
    assert pending == 40


def test_nothing_is_decided_from_the_first_undecided_one_on() -> None:
    accepted, pending = resolve(
        [Candidate(0, 1, 5, "A"), Candidate(3, 1, 7, "B", sure=False), Candidate(8, 1, 9, "C", sure=False), Candidate(20, 1, 22, "D")], 0, b"x" * 30
    )
    assert [found.category for found in accepted] == ["A"]
    assert pending == 8
