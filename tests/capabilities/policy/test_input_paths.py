"""Places in an input."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.input_paths import NOTHING, PathError, Steps, form_at, found_at, parse_path, parse_value, put, shown
from gateway.domain import Hook

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8)
STEPS = st.lists(st.one_of(NAMES, st.integers(0, 5)), max_size=4).flatmap(lambda rest: NAMES.map(lambda first: (first, *rest)))


@given(STEPS)
def test_a_path_reads_back_as_it_was_shown(steps: Steps) -> None:
    if steps[0] == "input" and len(steps) > 1:
        return
    text = shown(steps)
    assert parse_path(text) == (steps, "")
    assert parse_path(f"{text}=a=b") == (steps, "=a=b")


@given(
    st.recursive(st.none() | st.integers(), lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=5),
    st.lists(NAMES, min_size=1, max_size=3),
    st.integers(),
)
def test_what_is_put_is_found_and_the_document_stays_as_it_was(document: Any, names: list[str], value: int) -> None:
    before = repr(document)
    try:
        changed = put(document, tuple(names), value)
    except PathError:
        return
    assert found_at(changed, tuple(names)) == value
    assert repr(document) == before


@pytest.mark.parametrize(
    ("path", "value", "made"),
    [
        ("a.b[0].c", 1, {"a": {"b": [{"c": 1}]}}),
        ("a[0]", NOTHING, {"a": []}),
        ("a.b", NOTHING, {"a": {}}),
    ],
)
def test_what_leads_to_a_place_is_made(path: str, value: Any, made: Any) -> None:
    steps, _ = parse_path(path)
    start: dict[str, Any] = {} if value is not NOTHING else {"a": ["x"]} if "[" in path else {"a": {"b": 1}}
    assert put(start, steps, value) == made


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("request.rout", "did you mean request.route"),
        ("subject.team", "did you mean subject.teams"),
        ("findings[0].cuont", r"did you mean findings\[0\].count"),
        ("nowhere.at.all", "its sections are"),
        ("request.route.x", "there is no request.route.x"),
        ("subject[0]", r"there is no subject\[0\]"),
        ("hook", "cannot be set"),
        ("answer.confidence", "there is no answer"),
    ],
)
def test_a_place_that_the_contract_does_not_know_is_named_with_the_nearest(path: str, said: str) -> None:
    with pytest.raises(PathError, match=said):
        form_at(Hook.INTENT, parse_path(path)[0])


@pytest.mark.parametrize("text", ["", "=1", "[0]", ".a", "1a=2"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(PathError, match="begins with no path"):
        parse_path(text)


@pytest.mark.parametrize(
    ("hook", "path", "text", "value"),
    [
        (Hook.INTENT, "request.route", "assistant", "assistant"),
        (Hook.INTENT, "request.route", "123", "123"),
        (Hook.INTENT, "request.route", '"a b"', "a b"),
        (Hook.INTENT, "request.stream", "true", True),
        (Hook.INTENT, "subject.teams", '["a"]', ["a"]),
        (Hook.INTENT, "subject.on_behalf_of", "null", None),
        (Hook.INTENT, "request.params.n", "2", 2),
        (Hook.INTENT, "input.request.params.n", "x", "x"),
        (Hook.ANSWER, "answer.confidence", "0.5", 0.5),
        (Hook.ANSWER, "answer.schema_valid", "null", None),
    ],
)
def test_values_are_read_as_the_contract_has_them(hook: Hook, path: str, text: str, value: Any) -> None:
    assert parse_value(text, form_at(hook, parse_path(path)[0])) == value


@pytest.mark.parametrize(
    ("hook", "path", "text", "said"),
    [
        (Hook.INTENT, "request.stream", "1", "boolean"),
        (Hook.INTENT, "attempt", "-1", "integer"),
        (Hook.INTENT, "attempt", "true", "integer"),
        (Hook.INTENT, "subject.kind", "robot", "key, user, agent"),
        (Hook.ANSWER, "answer.confidence", "2", "null or number"),
    ],
)
def test_values_that_the_contract_does_not_know_are_refused(hook: Hook, path: str, text: str, said: str) -> None:
    with pytest.raises(PathError, match=said):
        parse_value(text, form_at(hook, parse_path(path)[0]))


def test_a_place_behind_the_end_of_a_list_is_refused() -> None:
    with pytest.raises(PathError, match=r"the next one is \[1\]"):
        put({"a": [1]}, ("a", 3), 2)
    with pytest.raises(PathError, match="no list"):
        put({"a": {}}, ("a", 0), 2)
    with pytest.raises(PathError, match="no object"):
        put({"a": []}, ("a", "b"), 2)
