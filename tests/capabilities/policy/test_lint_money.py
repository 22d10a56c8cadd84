"""Money is whole, and the engines really differ where it is not."""

from __future__ import annotations

import pytest

from gateway.capabilities.policy.lint_money import check_money
from gateway.capabilities.policy.syntax import Program
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine


@pytest.mark.parametrize(
    ("condition", "problems"),
    [
        ("input.request.cost_estimate_microusd / 3 > 1", 1),
        ("1 < data.limits.budget_microusd / input.attempt", 1),
        ('object.get(input, ["request", "cost_estimate_microusd"], 0) / 1000000 > 5', 1),
        ("input.request.cost_estimate_microusd > 0.5", 1),
        ("input.request.cost_estimate_microusd * 1.1 > 3", 1),
        ("input.request.cost_estimate_microusd > 5 * 1000000", 0),
        ("input.request.cost_estimate_microusd % 2 == 0", 0),
        ("input.request.cost_estimate_microusd + 1 > 500000.0", 0),
        ("input.answer.confidence > 0.5", 0),
        ("input.request.tokens_estimate / 2 > 1", 0),
    ],
)
def test_a_fraction_of_money_is_found(condition: str, problems: int) -> None:
    program = Program(EmbeddedEngine({"a.rego": f"package a\n\nv if {condition}\n"}, "{}").ast())
    module = program.modules[0]
    assert len([problem for node in module.rules[0].nodes for problem in check_money(program, module, node)]) == problems
