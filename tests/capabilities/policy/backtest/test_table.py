from __future__ import annotations

from pathlib import Path

from gateway.capabilities.policy.backtest.conditions import parse_condition
from gateway.capabilities.policy.backtest.report import as_json
from gateway.capabilities.policy.backtest.table import draw, plain
from gateway.capabilities.policy.backtest.tally import Tally
from tests.capabilities.policy.backtest.outcomes import outcome, tallied


def test_the_table_says_what_the_report_does() -> None:
    report = as_json(outcome())
    report["conditions"] = [parse_condition(text).judge(report) for text in ("new_denies > 1%", "new_allows > 99")]
    text = "\n".join(draw(report))
    for said in (
        "candidate  candidate (cccccccccccc)",
        "against    what was recorded",
        "newly denied                     3    14.29%",
        "rule    access.team 3",
        "not replayable                   9    30.00%",
        "erased: the content of the record was erased",
        "missing input.request.tokens_estimate 1",
        "2 had their input completed from the record: input.subject.roles 1",
        "1.5 escalations a day, 0 before",
        "slow       1 decisions",
        "newly denied, the newest:",
        "FAILED  --fail-if 'new_denies > 1%': it is 14.2857%",
        "ok      --fail-if 'new_allows > 99': it is 3",
        "note    9 decisions could not be replayed",
    ):
        assert said in text
    assert "against    old (bbbbbbbbbbbb)" in "\n".join(draw(as_json(outcome(baseline=Path("old")))))


def test_a_window_without_decisions_says_so() -> None:
    assert "there are no recorded decisions in this window" in "\n".join(draw(as_json(outcome(Tally()))))


def test_many_names_are_cut_short() -> None:
    tally = Tally()
    for number in range(20):
        tally.merge(tallied(f"rule.{number:02}", many=1))
    assert "and 12 more" in "\n".join(draw(as_json(outcome(tally))))


def test_no_name_moves_the_cursor() -> None:
    text = "\n".join(draw(as_json(outcome(tallied("\x1b[31mred\x07\r\u202e"), tenants=("a\x1b[2Jb",)))))
    assert all(char.isprintable() or char == "\n" for char in text)
    assert plain("a\nb") == "a\ufffdb"
