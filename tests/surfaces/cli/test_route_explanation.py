from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.capabilities.offers import meters_for
from gateway.capabilities.redaction.tenants import redactor_for
from gateway.capabilities.routing.selecting import REASONS
from gateway.settings import load
from gateway.surfaces.cli.route_explanation import Assumed, Explanation, as_json, as_lines, explain, why

WriteConfig = Callable[..., Path]
CONDITIONS = {
    "policy.routes": ("{}", (), "policy grants no target"),
    "when.labels": ("{labels: {a: [x, y]}}", None, "label a has to be x or y, it is not set"),
    "when.without": ("{without: [EMAIL_ADDRESS]}", None, "the request has EMAIL_ADDRESS"),
    "context_length": ("{}", None, "the request needs 1,012 tokens of context, it has 1,000"),
    "when.max_input_tokens": ("{max_input_tokens: 1}", None, "the request has 12 tokens of input, it takes 1"),
    "when.max_cost": ("{max_cost_usd: 0}", None, "the call would cost 0.000002 USD, it may cost 0 USD"),
}
Explained = Callable[..., Explanation]


@pytest.fixture
def explained(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> Explained:
    """A request explained whose route has one target, with 1,000 tokens of context and this condition."""

    def explanation(when: str, granted: tuple[str, ...] | None, **params: object) -> Explanation:
        route = f"routes:\n  r: {{targets: [{{target: simulated, when: {when}}}]}}\n"
        settings = load(write_config(good_text, ("    price:", "    context_tokens: 1000\n    price:"), ("routes:\n", route)), good_env)
        body = {"model": "r", "messages": [{"role": "user", "content": "write to jane@example.com, please, today"}], **params}
        inspection = redactor_for(settings.tenants["acme"], 0).inspect(body)
        return explain(body, settings.routes["r"], inspection, meters_for(settings.targets), Assumed(granted=granted, labels={}, intent="i"))

    return explanation


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_there_is_has_words_with_its_numbers(explained: Explained, reason: str) -> None:
    when, granted, said = CONDITIONS[reason]
    found = explained(when, granted, **({"max_tokens": 1000} if reason == "context_length" else {}))
    assert [(each.skipped, why(found, each)) for each in found.order] == [(reason, said)]
    assert found.taken is None
    assert any(line.endswith(f"skipped ({reason}): {said}") for line in as_lines(found))


def test_the_object_for_programs_says_what_the_lines_say(explained: Explained) -> None:
    found = as_json(explained("{min_remaining_s: 2}", ("r",), max_completion_tokens=5))
    assert (found["takes"], found["findings"], found["input_tokens"], found["output_tokens"]) == ("simulated", {"EMAIL_ADDRESS": 1}, 12, 5)
    assert found["targets"] == [
        {
            "target": "simulated",
            "model": "simulated-1",
            "tier": 1,
            "weight": 1,
            "repairs_only": False,
            "cost_microusd": 5,
            "min_remaining_s": 2.0,
            "skipped": None,
            "why": None,
        }
    ]
