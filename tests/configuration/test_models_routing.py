from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.configuration.compiled_options import Assessment, BreakerLimits, ConfidenceWeights, Retries
from gateway.configuration.forms import Shape
from gateway.configuration.models_routing import AssessmentShape, BreakerShape, ConfidenceWeightsShape, RetriesShape, RouteShape, TargetShape


@pytest.mark.parametrize(
    ("model", "value"),
    [
        (TargetShape, {"base_url": "env:URL", "model": "m", "limits": {"connect_s": 1}, "breaker": {"failures": 1, "probes": 2}}),
        (TargetShape, {"client": "litellm", "provider": "vertex_ai", "model": "m", "context_tokens": 1}),
        (RouteShape, {"target": "a", "attempts": 1, "deadline_s": 0.5, "hedge_after_s": None, "confidence": {}, "last_resort": ()}),
        (RouteShape, {"targets": ({"target": "a", "tier": 2, "weight": 3, "when": {"labels": {"x": ("y",)}, "without": ("SECRET",), "max_cost_usd": 0.05}},)}),
    ],
)
def test_what_fits_is_taken(model: type[Shape], value: dict[str, Any]) -> None:
    assert set(value) <= model.model_validate(value).model_fields_set


@pytest.mark.parametrize(
    ("model", "value"),
    [
        (TargetShape, {"base_url": "http://example.com", "model": "m", "limits": {"connect_s": True}}),
        (TargetShape, {"base_url": "http://example.com", "model": "m", "limits": {"total_s": float("inf")}}),
        (TargetShape, {"base_url": "http://example.com", "model": "m", "client": "curl"}),
        (TargetShape, {"base_url": "http://example.com", "model": "m", "context_tokens": 0}),
        (TargetShape, {"base_url": "http://example.com", "model": "m", "breaker": {"probes": 0}}),
        (RouteShape, {"target": "a", "attempts": 0}),
        (RouteShape, {"target": "a", "attempts": 101}),
        (RouteShape, {"target": "a", "deadline_s": 0}),
        (RouteShape, {"target": "a", "retries": {"max": -1}}),
        (RouteShape, {"target": "a", "repair": {"temperature": 2.5}}),
        (RouteShape, {"target": "a", "confidence": {"samples": 0}}),
        (RouteShape, {"target": "a", "schema_name": "order"}),
        (RouteShape, {"targets": ()}),
        (RouteShape, {"targets": ({"target": "a", "weight": 0},)}),
        (RouteShape, {"targets": ({"target": "a", "tier": 0},)}),
        (RouteShape, {"targets": ({"target": "a", "when": {"labels": {"x": "y"}}},)}),
    ],
)
def test_what_does_not_fit_is_refused(model: type[Shape], value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(value)


def test_the_defaults_of_the_file_are_those_of_what_it_compiles_to() -> None:
    pairs: list[tuple[Shape, Any]] = [
        (BreakerShape.model_validate({}), BreakerLimits()),
        (RetriesShape.model_validate({}), Retries()),
        (AssessmentShape.model_validate({}), Assessment()),
        (ConfidenceWeightsShape.model_validate({}), ConfidenceWeights()),
    ]
    assert [shape.model_dump(by_alias=True) for shape, _ in pairs] == [asdict(made) for _, made in pairs]
