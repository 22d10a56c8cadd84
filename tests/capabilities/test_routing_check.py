from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.capabilities.routing_check import problems_of
from gateway.settings import load

WriteConfig = Callable[..., Path]
WORDS = ["type", "properties", "items", "$ref", "$defs", "pattern", "enum", "required", "a", "minLength", "format", "0", "anyOf"]
ORDER = "{type: object, properties: {status: {enum: [open, closed]}}, required: [status]}"


@pytest.fixture
def problems(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> Callable[..., list[str]]:
    """What is wrong with a config that has this schema ``order``, on line 15, and this last resort of a route that demands it, on line 18."""

    def found(schema: str = ORDER, last_resort: str = "{status: open}", when: str = "{}") -> list[str]:
        route = f"{{targets: [{{target: simulated, when: {when}}}], schema: order,\n    last_resort: {last_resort}}}"
        more = f"schemas:\n  order: {schema}\nroutes:\n  r: {route}\n"
        path = write_config(good_text, ("routes:\n", more))
        return [str(problem).removeprefix(f"{path}:") for problem in problems_of(load(path, good_env))]

    return found


def test_what_fits_has_no_problems(problems: Callable[..., list[str]]) -> None:
    assert problems() == []
    assert problems(last_resort='\'{"status": "closed"}\'', when="{without: [US_SSN, SECRET]}") == []


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ("{type: objekt}", "schemas.order"),
        ("{properties: {a: {pattern: '('}}}", "schemas.order.properties.a"),
        ("{$ref: 'https://example.com/order.json'}", "schemas.order"),
        ("{$ref: '#/$defs/none'}", "schemas.order"),
    ],
)
def test_a_schema_that_does_not_compile_is_told_with_its_line(problems: Callable[..., list[str]], schema: str, where: str) -> None:
    found = problems(schema)
    assert len(found) == 1
    assert found[0].startswith(f"15: {where}")
    assert "is not a schema that can be used" in found[0]


def test_the_line_of_a_problem_is_that_of_the_place_within_the_schema(problems: Callable[..., list[str]]) -> None:
    found = problems("\n    properties:\n      a:\n        type: objekt")
    assert [line.partition(":")[0] for line in found] == ["18"]


@pytest.mark.parametrize(
    ("last_resort", "said"),
    [
        ("{status: unknown}", "does not meet the route's schema 'order': /properties/status/enum (enum)"),
        ("{}", "does not meet the route's schema 'order': /required (required)"),
        ("Nobody is here.", "does not meet the route's schema 'order': its root (json)"),
        ('\'Sorry: {"status": "open"}\'', "has text around its JSON (it is given as it stands: write the JSON alone, or a mapping)"),
    ],
)
def test_a_last_resort_has_to_meet_the_route_s_schema(problems: Callable[..., list[str]], last_resort: str, said: str) -> None:
    assert problems(last_resort=last_resort) == [f"18: routes.r.last_resort: {said}"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["object", "#", "#/$defs/a", "(", "email", "a~b/c"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=8,
)


@given(schema=st.dictionaries(st.sampled_from(WORDS), JSON, max_size=4), last_resort=JSON.filter(lambda value: isinstance(value, dict | list)))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_any_schema_and_last_resort_give_problems_with_their_lines_or_none(
    problems: Callable[..., list[str]], schema: dict[str, object], last_resort: object
) -> None:
    found = problems(json.dumps(schema), json.dumps(last_resort))
    assert all(line.startswith(("15: schemas.order", "18: routes.r.last_resort")) for line in found)


def test_a_category_that_nobody_finds_is_told_with_the_nearest(problems: Callable[..., list[str]]) -> None:
    expected = "17: routes.r.targets: no category named 'US_SNN' is ever found, as when.without has it (did you mean 'US_SSN'?)"
    assert problems(when="{without: [US_SNN]}") == [expected]
