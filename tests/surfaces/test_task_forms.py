"""What reviewers send is parsed strictly, whatever it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain_tasks import Action, TaskState
from gateway.errors import InvalidRequest
from gateway.pipeline.tasks import WAITING
from gateway.surfaces.task_forms import MAX_COMMENT_CHARS, decided, moment_ns, wanted

SECOND = 1_000_000_000


def test_a_list_without_parameters_is_what_can_be_decided() -> None:
    found = wanted([])
    assert (found.states, found.queues, found.due_before_ns, found.cursor, found.limit) == (WAITING, None, None, None, 50)


def test_every_parameter_of_a_list_is_taken() -> None:
    found = wanted([("state", "decided,expired"), ("queue", "a,b"), ("due_before", "2026-01-05T10:00:00Z"), ("limit", "200"), ("cursor", "abc")])
    assert found.states == {TaskState.DECIDED, TaskState.EXPIRED}
    assert (found.queues, found.limit, found.cursor) == (frozenset({"a", "b"}), 200, "abc")
    assert found.due_before_ns == int(datetime(2026, 1, 5, 10, tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ([("state", "")], "state"),
        ([("state", "open,XX")], "state"),
        ([("limit", "0")], "limit"),
        ([("limit", "201")], "limit"),
        ([("limit", "-1")], "limit"),
        ([("limit", "1e1")], "limit"),
        ([("limit", "9" * 5_000)], "limit"),
        ([("limit", "\u0665")], "limit"),
        ([("due_before", "XtomorrowX")], "due_before"),
        ([("due_before", "2026-02-30T00:00:00Z")], "due_before"),
        ([("due_before", "2026-01-05T10:00:00 02:00")], "due_before"),
        ([("due_before", "2026-01-05T10:00:00")], "due_before"),
        ([("due_before", "0001-01-01T00:00:00+99:00")], "due_before"),
        ([("cursor", "X" * 501)], "cursor"),
        ([("limit", "5"), ("limit", "6")], "limit"),
        ([("stat", "open")], "stat"),
        ([("a b", "open")], None),
    ],
)
def test_a_parameter_that_is_none_is_named_and_never_quoted(parameters: list[tuple[str, str]], param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        wanted(parameters)
    assert caught.value.param == param
    assert not [value for _, value in parameters if "X" in value and value in caught.value.message]


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 3 * SECOND // 2),
        ("1970-01-01T01:00:00.000000001+01:00", 1),
        ("1969-12-31T23:59:59.5Z", -SECOND // 2),
        ("9999-12-31T23:59:59Z", 2**63 - 1),
    ],
)
def test_a_time_is_read_to_the_nanosecond_and_held_within_what_a_database_can(text: str, ns: int) -> None:
    assert moment_ns(text) == ns


@given(st.integers(min_value=-62_000_000_000_000_000, max_value=9_000_000_000_000_000))
def test_every_time_is_read_as_it_was_written(microseconds: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    assert moment_ns(moment.isoformat()) == microseconds * 1_000


@given(st.text(max_size=40))
def test_no_text_but_a_time_is_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"has to be a time|is no time"):
        moment_ns(text)


@pytest.mark.parametrize(
    ("body", "content"),
    [
        ({"action": "accept"}, None),
        ({"action": "refuse", "content": None, "comment": None, "version": None}, None),
        ({"action": "edit", "content": "x"}, "x"),
        ({"action": "answer", "content": ["x", "y"]}, ["x", "y"]),
    ],
)
def test_a_decision_is_taken_as_it_is_meant(body: dict[str, object], content: object) -> None:
    found = decided(body)
    assert (found.action, found.content, found.comment, found.version) == (Action(str(body["action"])), content, None, None)


def test_a_comment_and_a_version_come_along() -> None:
    found = decided({"action": "refuse", "comment": "x" * MAX_COMMENT_CHARS, "version": 7})
    assert (found.comment, found.version) == ("x" * MAX_COMMENT_CHARS, 7)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries({}, optional={"action": st.sampled_from([*Action]) | VALUES, "content": VALUES, "comment": VALUES, "version": VALUES, "more": VALUES})
)
def test_whatever_comes_is_a_decision_or_a_refusal_that_names_its_part(body: dict[str, object]) -> None:
    try:
        found = decided(body)
    except InvalidRequest as error:
        told = error.param
    else:
        told = "content" if (found.content is not None) is (found.action in {Action.EDIT, Action.ANSWER}) and (found.version or 1) >= 1 else None
    assert told in {"action", "content", "comment", "version", "more"}
