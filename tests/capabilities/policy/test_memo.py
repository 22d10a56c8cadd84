"""Remembered verdicts."""

from __future__ import annotations

from gateway.capabilities.policy.memo import MAX_KEY_BYTES, VerdictMemo
from gateway.domain import Verdict

ALLOW = Verdict(outcome="allow")


def test_the_oldest_makes_room() -> None:
    memo = VerdictMemo(2)
    for document in (b"a", b"b", b"c"):
        memo.put(document, ALLOW)
    assert [memo.get(document) for document in (b"a", b"b", b"c")] == [None, ALLOW, ALLOW]
    assert len(memo) == 2


def test_nothing_is_remembered_where_nothing_may_be_or_the_input_is_long() -> None:
    none, some = VerdictMemo(0), VerdictMemo(2)
    none.put(b"a", ALLOW)
    some.put(b"a" * (MAX_KEY_BYTES + 1), ALLOW)
    assert (len(none), len(some)) == (0, 0)
