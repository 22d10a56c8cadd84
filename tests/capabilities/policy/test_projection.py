"""The projected input decides as the whole one does, and holds nothing that no rule asks for."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.capabilities.policy.projection import MAX_ITEMS, InputError, Projection, paths_of, repaired
from gateway.capabilities.policy.syntax import Program
from gateway.domain import Destination, Hook
from gateway.infrastructure.policy_engine_embedded import UNDEFINED, EmbeddedEngine, EngineError

RULE = ("gateway", "intent", "verdict")

CONDITIONS = (
    'input.subject.tenant == "a"',
    '"a" in input.subject.teams',
    'object.get(input, ["subject", "id"], "none") == "none"',
    'object.get(input.request, "params", {}) == {}',
    "not input.request.stream",
    'input.request["params"].a == 1',
    "some finding in input.findings; finding.count > 1",
    'input.findings[_].category == "a"',
    'input.findings[0].category == "a"',
    'field := "tenant"; input.subject[field] == "a"',
    "subject := input.subject; count(subject) > 1",
    'who.tenant == "a"',
    "helper.many",
    "data.gateway.helper.of(input.subject) == 2",
    'every message in object.get(input.request, "messages", []) { message != "a" }',
    "[name | some name, _ in input.subject] == []",
    'input.intent.labels.a == "a"',
    "input.attempt > 0",
    "count(input) > 2",
    'object.get(object.get(input, "request", {}), ["params", "a"], 0) == 0',
    "input.subject.id == input.request.messages[input.attempt]",
)  # fmt: skip

scalars = st.sampled_from(["a", "b", 1, 0, 2, True, False, None])
lists = st.lists(scalars, max_size=3)
inputs = st.fixed_dictionaries(
    {},
    optional={
        "subject": st.fixed_dictionaries({}, optional={"tenant": scalars, "id": scalars, "teams": lists}) | scalars,
        "request": st.fixed_dictionaries(
            {}, optional={"stream": scalars, "messages": lists, "params": st.dictionaries(st.sampled_from("ab"), scalars, max_size=2) | scalars}
        ),
        "findings": st.lists(st.fixed_dictionaries({}, optional={"category": scalars, "count": scalars}), max_size=3),
        "intent": st.fixed_dictionaries({}, optional={"labels": st.dictionaries(st.sampled_from("ab"), scalars)}),
        "attempt": scalars,
    },
)


def sources_of(conditions: list[str]) -> dict[str, str]:
    body = "\n\t".join(condition.replace("; ", "\n\t") for condition in conditions)
    intent = f'package gateway.intent\nimport input.subject as who\nimport data.gateway.helper\n\nverdict := {{"outcome": "allow"}} if {{\n\t{body}\n}}\n'
    helper = 'package gateway.helper\n\nmany if count(input.findings) > 1\n\nof(thing) := count(object.get(thing, "teams", []))\n'
    return {"intent.rego": intent, "helper.rego": helper}


def paths(*conditions: str) -> frozenset[tuple[str, ...]]:
    return paths_of(Program(EmbeddedEngine(sources_of(list(conditions)), "{}").ast()), RULE)


def _evaluated(engine: EmbeddedEngine, document: str) -> Any:
    try:
        value = engine.evaluate("data.gateway.intent.verdict", document)
    except EngineError as error:
        return error.detail
    return "undefined" if value is UNDEFINED else value


@settings(max_examples=300)
@given(st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=2, unique=True), inputs)
def test_the_projected_input_decides_as_the_whole_one(conditions: list[str], parts: dict[str, Any]) -> None:
    if sum("field :=" in each or "subject :=" in each for each in conditions) > 1:
        conditions = conditions[:1]
    engine = EmbeddedEngine(sources_of(conditions), "{}")
    projected = Projection(Hook.INTENT, paths_of(Program(engine.ast()), RULE)).document(parts).decode()
    whole = json.dumps({**parts, "schema": "gateway.input/v1", "hook": "intent"})
    assert _evaluated(engine, projected) == _evaluated(engine, whole)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("input.subject.id", {("subject", "id")}),
        ("input.subject", {("subject",)}),
        ("input.subject.id == input.subject", {("subject",)}),
        ("input", {()}),
        ("some x in input", {()}),
        ("input[x]", {()}),
        ("who.id", {("subject", "id")}),
        ("input.findings[_].category", {("findings",)}),
        ("input.request.messages[0].content", {("request", "messages")}),
        ('input["request"]["params"]["a b"]', {("request", "params", "a b")}),
        ("input.request[input.hook]", {("request",), ("hook",)}),
        ('object.get(input, ["request", "params"], {})', {("request", "params")}),
        ('object.get(input.request, "params", input.hook)', {("request", "params"), ("hook",)}),
        ("object.get(input.request, input.hook, 1)", {("request",), ("hook",)}),
        ('object.get(input.findings[0], "a", 1)', {("findings",)}),
        ("data.gateway.helper.many", {("findings",)}),
        ("helper.many", {("findings",)}),
        ("data.gateway[input.hook]", {("findings",), ("hook",)}),
        ("true", set()),
    ],
)
def test_each_reference_takes_what_it_can_look_at(condition: str, expected: set[tuple[str, ...]]) -> None:
    assert paths(condition) == expected


def test_callables_are_called_only_where_asked_for_and_at_any_depth() -> None:
    def boom() -> None:
        raise AssertionError("nobody asked")

    projection = Projection(Hook.INTENT, frozenset({("request", "route"), ("answer",), ("intent_verdict", "outcome")}))
    parts = {
        "request": {"route": lambda: "assistant", "messages": boom},
        "answer": {"text": lambda: "hello"},
        "intent_verdict": lambda: {"outcome": "allow", "reasons": boom},
        "subject": boom,
    }
    assert orjson.loads(projection.document(parts)) == {"request": {"route": "assistant"}, "answer": {"text": "hello"}, "intent_verdict": {"outcome": "allow"}}


def test_schema_and_hook_are_added_where_referred_to() -> None:
    assert orjson.loads(Projection(Hook.ANSWER, frozenset({()})).document({"attempt": 1})) == {"attempt": 1, "schema": "gateway.input/v1", "hook": "answer"}
    assert orjson.loads(Projection(Hook.ANSWER, frozenset({("hook",)})).document({"attempt": 1})) == {"hook": "answer"}


def test_sets_tuples_and_names_of_destinations_are_json() -> None:
    parts = {"subject": {"teams": frozenset({"b", "a"}), "roles": ("x",)}, "intent_verdict": {Destination.MODEL: 1}}
    document = Projection(Hook.INTENT, frozenset({()})).document(parts)
    assert orjson.loads(document)["subject"] == {"teams": ["a", "b"], "roles": ["x"]}
    assert orjson.loads(document)["intent_verdict"] == {"model": 1}


@pytest.mark.parametrize("many", [MAX_ITEMS, MAX_ITEMS + 1])
@pytest.mark.parametrize("make", [lambda n: [0] * n, lambda n: {str(i): 0 for i in range(n)}, lambda n: lambda: [0] * n], ids=["array", "object", "callable"])
def test_arrays_and_objects_are_bounded(many: int, make: Any) -> None:
    projection = Projection(Hook.INTENT, frozenset({("findings",)}))
    if many <= MAX_ITEMS:
        assert projection.document({"findings": make(many)})
    else:
        with pytest.raises(InputError, match="more than 512 entries"):
            projection.document({"findings": make(many)})


def test_what_a_tool_s_schema_lists_may_be_longer() -> None:
    tool = {"function": {"parameters": {"properties": {"country": {"enum": ["x"] * 2_000}}}}}
    assert Projection(Hook.INTENT, frozenset({("request", "tools")})).document({"request": {"tools": [tool]}})


def test_what_cannot_be_asked_about_still_goes_on_record() -> None:
    with pytest.raises(InputError) as caught:
        Projection(Hook.INTENT, frozenset({("subject",)})).document({"subject": {"id": "a\ud800b", "teams": ["x"]}})
    assert orjson.loads(caught.value.document) == {"subject": {"id": "a\ufffdb", "teams": ["x"]}}


@given(
    st.recursive(
        st.text(st.characters()) | st.floats() | st.binary(max_size=2) | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_anything_can_be_repaired_into_json(value: Any) -> None:
    orjson.loads(repaired(value))
    assert orjson.loads(repaired({"a": "\udcff", "b": b"x"})) == {"a": "\ufffd", "b": "not shown: bytes"}
