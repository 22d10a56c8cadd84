"""``test_running`` has each reason with a real gateway; here is what it cannot come by."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.capabilities.policy.backtest.enforcing import NOTHING
from gateway.capabilities.policy.backtest.judging import Apart, Judge, Judged
from gateway.capabilities.policy.policy import Policy
from gateway.capabilities.policy.syntax import Program
from gateway.domain import Hook
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine
from tests.capabilities.policy.backtest.test_completing import asked
from tests.capabilities.policy.backtest.test_crew import order

PARAMS = 'package gateway.intent\n\nverdict := {"outcome": "allow"} if input.request.params\n'
ESCALATES = 'package gateway.intent\n\nverdict := {"outcome": "escalate", "reasons": [{"rule": "ask", "message": "m"}]} if input.request.route\n'


def judge(source: str) -> Judge:
    bundle = order(source).candidate
    return Judge(Policy(bundle, Program(EmbeddedEngine(bundle.modules, "{}").ast())), {}, NOTHING)


@pytest.mark.parametrize(
    "text", ["<SECRET>", "<EMAIL_ADDRESS_BCDFGHJKLMNPQRST>", "a <IBAN_CODE_BCDFGHJKLMNPQRST> b", "redacted_BCDFGHJKLMNPQRST", {"a": ["<SECRET>"]}]
)
def test_a_placeholder_wherever_the_candidate_reads_it_was_something_else(text: Any) -> None:
    found = judge(PARAMS).judge(asked(Hook.INTENT, {}, request={"messages": [], "user": text}))
    assert found == Apart("content_redacted")


@pytest.mark.parametrize("text", ["plain", "<b>", "a_BCD", "SECRET"])
def test_other_text_is_what_it_was(text: str) -> None:
    assert isinstance(judge(PARAMS).judge(asked(Hook.INTENT, {}, request={"messages": [], "user": text})), Judged)


def test_a_verdict_that_wants_a_person_is_an_escalation_by_its_own_rules() -> None:
    found = judge(ESCALATES).judge(asked(Hook.INTENT, {"request": {"route": "assistant"}}))
    assert isinstance(found, Judged)
    assert (found.said.outcome, found.said.rules, found.evaluated, found.slow) == ("escalate", ("ask",), True, False)
