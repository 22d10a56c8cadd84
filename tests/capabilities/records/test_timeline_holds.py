"""A timeline of an intent that waited for people."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.capabilities.records.store import Record, RecordedEntry
from gateway.capabilities.records.timeline import draw
from tests.capabilities.records.test_holds import OPENED, entry, held, record

PAD, NONE = " " * 25, " " * 13
BEGIN = 1_700_000_000_000
TRIED = {"purpose": "first", "target": "one", "model": "m", "started_ns": (BEGIN + 5) * 10**6, "ended_ns": (BEGIN + 15) * 10**6, "status": 200}


def lines(*entries: RecordedEntry) -> list[str]:
    return list(draw(Record(id="int_1", tenant="acme", state="completed", entries=entries)))[3:]


def test_it_tells_why_it_waited_for_whom_who_decided_what_and_how_it_went_on() -> None:
    due: dict[str, Any] = {"due_ns": (BEGIN + 3_600_000) * 10**6, "expires_ns": (BEGIN + 86_400_000) * 10**6}
    decision = {"hook": "answer", "outcome": "escalate", "reasons": [{"rule": "answer.low", "message": "low confidence"}], "revision": "f" * 64}
    again = [{"hook": "intent", "outcome": "allow"}, {"hook": "answer", "outcome": "allow"}]
    drawn = lines(
        entry("opened", BEGIN, {}),
        held("parked", BEGIN + 20, **due, min_approvers=2, attempts=[TRIED], decisions=[decision], findings=[], steps=[["hold", 1_000_000]]),
        entry("decided", BEGIN + 60_020, held("decided", 0, complete=False).facts, {"comment": "fine\nby me\x1b[31m"}),
        held("resumed", BEGIN + 60_030),
        entry(
            "closed",
            BEGIN + 60_090,
            {"state": "completed", "decisions": again, "attempts": [TRIED], "approvals": [{"name": "Ann Smith", "by": "key_2", "action": "accept"}]},
        ),
    )
    assert drawn == [
        "      +0.0 ms  opened    2023-11-14T22:13:20.000Z",
        "      +5.0 ms  attempt   first  one  m  HTTP 200",
        f"{PAD}took: 10.0 ms",
        f"{NONE}  decided   answer: escalate",
        f"{PAD}answer.low: low confidence",
        f"{PAD}policy: ffffffffffff",
        "     +20.0 ms  parked    2023-11-14T22:13:20.020Z  approve, queue approvals, tsk_1",
        f"{PAD}why: payments.person: a person has to agree",
        f"{PAD}wanted: 2 people",
        f"{PAD}due: 2023-11-14T23:13:20.000Z; expires 2023-11-15T22:13:20.000Z, then refuse",
        f"{PAD}steps: hold 1.00 ms",
        "  +60020.0 ms  decided   2023-11-14T22:14:20.020Z  Ann Smith (key_2): accept  others have to decide, too",
        f"{PAD}comment: fine by me [31m",
        f"{PAD}approval: apr_1, of exactly 555555555555",
        "  +60030.0 ms  resumed   2023-11-14T22:14:20.030Z  decided",
        f"{PAD}approvals: apr_1",
        f"{PAD}trace: {'1' * 32}",
        f"{NONE}  decided   intent: allow",
        f"{NONE}  decided   answer: allow",
        "  +60090.0 ms  closed    completed",
        f"{PAD}approved by: Ann Smith key_2 accept",
    ]


def test_an_intent_that_nobody_decided_about_in_time_and_one_that_joined_another_say_so() -> None:
    assert any("nobody decided in time" in line for line in lines(OPENED, held("parked", 1), held("resumed", 2, why="expired", approvals=[])))
    assert any(line.endswith("joined: int_2") for line in lines(OPENED, entry("closed", 1, {"state": "cancelled", "joined": "int_2"})))


@pytest.mark.parametrize("odd", [None, "odd", 3, -1, 2**80, [], ["odd"], {}, [{}], [None]])
@pytest.mark.parametrize("name", ["reasons", "attempts", "decisions", "due_ns", "expires_ns", "min_approvers", "approvals", "findings", "name", "roles"])
def test_odd_facts_are_borne(name: str, odd: Any) -> None:
    drawn = draw(
        record(
            OPENED,
            *(held(kind, at, **{name: odd}) for at, kind in enumerate(("parked", "decided", "resumed"), 1)),
            entry("closed", 9, {name: odd, "state": "x"}),
        )
    )
    assert sum(word in line for line in drawn for word in ("  parked ", "  resumed ", "  closed ")) == 3
