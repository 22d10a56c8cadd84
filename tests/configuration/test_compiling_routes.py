from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.configuration.compiled_options import Assessment, BreakerLimits, Condition, ConfidenceWeights, Retries
from gateway.configuration.compiling_routes import compile_route, compile_weights, entries_of
from gateway.configuration.models_routing import ConfidenceWeightsShape, RouteShape
from gateway.settings import Route, Settings, load

WriteConfig = Callable[..., Path]
Compile = Callable[[str], Settings]
MORE = """\
  second: {client: litellm, provider: anthropic, model: m, context_tokens: 8000, breaker: {failures: 2, open_s: 1}}
  gone: {base_url: 'env:NOT_SET', model: m, optional: true}
schemas:
  order: {type: object}
confidence: {weights: {schema: 3, fallback: 0}}
routes:
"""


@pytest.fixture
def compile_with(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> Compile:
    """Settings with this as the route ``r``, in flow style, beside targets ``simulated``, ``second`` and ``gone``, which is left out."""

    def compiled(route: str) -> Settings:
        return load(write_config(good_text, ("routes:\n", f"{MORE}  r: {route}\n")), good_env)

    return compiled


def names(route: Route) -> list[tuple[str, int, int]]:
    return [(entry.target.name, entry.tier, entry.weight) for entry in route.targets]


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("target: second", [("second", 1, 1)]),
        ("targets: [{target: second}, {target: simulated}]", [("second", 1, 1), ("simulated", 2, 1)]),
        ("targets: [{target: second, weight: 3}, {target: simulated, tier: 1}]", [("second", 1, 3), ("simulated", 1, 1)]),
        ("targets: [{target: second, tier: 9}, {target: simulated}]", [("simulated", 2, 1), ("second", 9, 1)]),
        ("targets: [{target: gone}, {target: second}, {target: simulated}]", [("second", 2, 1), ("simulated", 3, 1)]),
    ],
)
def test_targets_come_by_tier_which_is_their_place_unless_said(compile_with: Compile, targets: str, expected: list[tuple[str, int, int]]) -> None:
    route = compile_with(f"{{{targets}}}").routes["r"]
    assert names(route) == expected
    assert route.first.name == expected[0][0]


def test_every_option_of_a_route_is_compiled(compile_with: Compile) -> None:
    when = "{labels: {data_class: [public, internal]}, without: [US_SSN], max_input_tokens: 8000, max_cost_usd: 0.05, min_remaining_s: 5}"
    settings = compile_with(
        f"{{targets: [{{target: second, when: {when}}}, {{target: simulated}}], attempts: 4, deadline_s: 30, retries: {{max: 2, backoff_s: 1}}, "
        "hedge_after_s: 2, schema: order, repair: {asks: 2, temperature: 0, target: simulated}, "
        "confidence: {samples: 3, logprobs: true}, last_resort: {status: [ü, 1]}}"
    )
    route, second = settings.routes["r"], settings.targets["second"]
    condition = route.targets[0].when
    assert dict(condition.labels) == {"data_class": {"public", "internal"}}
    assert (condition.without, condition.max_input_tokens, condition.max_cost_microusd, condition.min_remaining_s) == (frozenset({"US_SSN"}), 8000, 50_000, 5.0)
    assert route.targets[1].when == Condition()
    assert (route.attempts, route.deadline_s, route.hedge_after_s) == (4, 30, 2)
    assert route.retries == Retries(max=2, backoff_s=1)
    assert route.schema is settings.schemas["order"]
    assert (route.repair.asks, route.repair.temperature, route.repair.target) == (2, 0, settings.targets["simulated"])
    assert route.assessment == Assessment(samples=3, logprobs=True)
    assert route.last_resort == '{"status":["ü",1]}'
    assert (second.client, second.provider, second.base_url, second.context_tokens) == ("litellm", "anthropic", None, 8000)
    assert second.breaker == BreakerLimits(failures=2, open_s=1)
    assert settings.confidence == ConfidenceWeights(schema=3, fallback=0)


def test_a_route_that_says_nothing_has_the_defaults(compile_with: Compile) -> None:
    route = compile_with("{target: simulated}").routes["assistant"]
    assert (route.attempts, route.deadline_s, route.retries, route.hedge_after_s) == (6, 600, Retries(), None)
    assert (route.schema, route.assessment, route.last_resort) == (None, None, None)
    assert (route.repair.asks, route.repair.temperature, route.repair.target) == (1, None, None)


@pytest.mark.parametrize("value", ["null", "{}"])
def test_the_section_confidence_makes_answers_assessed_and_null_does_not(compile_with: Compile, value: str) -> None:
    expected = None if value == "null" else Assessment()
    assert compile_with(f"{{target: simulated, confidence: {value}}}").routes["r"].assessment == expected


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("{targets: [{target: simulated}, {target: gone}]}", [("routes.r.targets[1]", "target gone is left out")]),
        ("{target: gone}", [("routes.r", "target gone is left out")]),
        ("{targets: [{target: gone}, {target: gone, tier: 5}]}", [("routes.r", "its targets gone, gone are left out")]),
        (
            "{target: simulated, repair: {target: gone}}",
            [("routes.r.repair.target", "target gone is left out; the target whose answer it was repairs it")],
        ),
    ],
)
def test_what_leads_to_a_target_that_is_not_in_use_is_left_out_visibly(compile_with: Compile, route: str, expected: list[tuple[str, str]]) -> None:
    settings = compile_with(route)
    assert [(part.where, part.why) for part in settings.left_out[1:]] == expected
    assert [part.line for part in settings.left_out] == [15, 20]
    assert ("r" in settings.routes) == (expected[0][0] != "routes.r")
    assert all(repair is None for repair in (each.repair.target for each in settings.routes.values()))


def test_the_short_form_is_a_list_of_one() -> None:
    assert [entry.target for entry in entries_of(RouteShape.model_validate({"target": "a"}))] == ["a"]
    assert compile_route("r", RouteShape.model_validate({"target": "a"}), {}, {}) is None


@given(st.dictionaries(st.sampled_from(["logprobs", "agreement", "schema", "tool_errors"]), st.floats(0, 100)))
def test_weights_are_taken_by_the_names_of_the_file(weights: dict[str, float]) -> None:
    compiled = compile_weights(ConfidenceWeightsShape.model_validate(weights))
    assert {name: getattr(compiled, name) for name in weights} == weights


def test_text_is_a_last_resort_as_it_stands(compile_with: Compile) -> None:
    assert compile_with("{target: simulated, last_resort: 'null'}").routes["r"].last_resort == "null"
    assert json.loads(compile_with("{target: simulated, last_resort: []}").routes["r"].last_resort or "") == []
