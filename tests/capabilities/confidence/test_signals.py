import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.confidence.signals import LEAST_LOGPROB, logprob_signal, self_reported, tool_errors

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
CONFIDENCE = {"properties": {"confidence": {"type": "number", "minimum": 0, "maximum": 1}}}


def choice(*tokens: tuple[Any, Any]) -> dict[str, Any]:
    return {"logprobs": {"content": [{"token": token, "logprob": value, "top_logprobs": []} for token, value in tokens]}}


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([("Paris", math.log(0.5))], 0.5),
        ([("New", math.log(0.25)), (" York", 0.0)], 0.5),
        ([("yes", 0.0)], 1.0),
        ([("yes", 1e-7)], 1.0),
        ([('{"', 0.0), ("city", math.log(0.5)), ('": "', 0.0), ("\n  ", 0.0)], 0.5),
        ([(" \n", math.log(0.5))], 0.5),
        ([("a", -9999.0)], math.exp(LEAST_LOGPROB)),
        ([("a", -1e308), ("b", -1e308)], math.exp(LEAST_LOGPROB)),
        ([("a", math.log(0.5)), ("b", math.nan), ("c", "-1"), ("d", None), ("e", True), ("f", -math.inf), ("g", 10**400)], 0.5),
        ([(None, math.log(0.5))], 0.5),
        ([("a", -1)], math.exp(-1)),
    ],
)
def test_log_probabilities_are_a_geometric_mean_over_what_is_said(tokens: list[tuple[Any, Any]], expected: float) -> None:
    assert logprob_signal(choice(*tokens)) == pytest.approx(expected)


@pytest.mark.parametrize(
    "hostile",
    [{}, {"logprobs": None}, {"logprobs": []}, {"logprobs": {"content": None}}, {"logprobs": {"content": []}}, choice(("a", "x")), choice(("a", math.nan))],
)
def test_without_log_probabilities_there_is_no_signal(hostile: dict[str, Any]) -> None:
    assert logprob_signal(hostile) is None


@given(st.lists(JUNK | st.fixed_dictionaries({}, optional={"token": JUNK, "logprob": JUNK, "top_logprobs": JUNK}), max_size=20))
def test_whatever_comes_as_log_probabilities_is_in_bounds_or_nothing(content: list[Any]) -> None:
    value = logprob_signal({"logprobs": {"content": content}})
    assert value is None or 0 <= value <= 1


@given(st.lists(st.floats(-30, 0.5), min_size=1, max_size=10), st.data())
def test_a_likelier_token_never_lowers_the_signal(values: list[float], data: st.DataObject) -> None:
    at, more = data.draw(st.integers(0, len(values) - 1)), data.draw(st.floats(0, 5))
    raised = [value + more if index == at else value for index, value in enumerate(values)]
    before, after = (logprob_signal(choice(*(("word", value) for value in each))) for each in (values, raised))
    assert before is not None
    assert after is not None
    assert before <= after


def test_thousands_of_tokens_are_one_mean() -> None:
    assert logprob_signal(choice(*[("word", math.log(0.9))] * 20_000)) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ({"confidence": 0.7}, CONFIDENCE, 0.7),
        ({"confidence": 1}, CONFIDENCE, 1.0),
        ({"confidence": 0.7}, {"properties": {"confidence": {"type": "number"}}}, 0.7),
        ({"confidence_score": 0.7}, {"properties": {"confidence_score": {}}}, 0.7),
        ({"certainty": 85}, {"properties": {"certainty": {"maximum": 100}}}, 0.85),
        ({"confidence": 3}, {"properties": {"confidence": {"minimum": 1, "maximum": 5}}}, 0.5),
        ({"confidence": 85}, CONFIDENCE, None),
        ({"confidence": -0.1}, CONFIDENCE, None),
        ({"confidence": 101}, {"properties": {"confidence": {"maximum": 100}}}, None),
        ({"confidence": "0.7"}, CONFIDENCE, None),
        ({"confidence": True}, CONFIDENCE, None),
        ({"confidence": math.nan}, CONFIDENCE, None),
        ({"confidence": 10**400}, CONFIDENCE, None),
        ({"inner": {"confidence": 0.7}}, CONFIDENCE, None),
        ({"confidence": 0.7}, {"properties": {"name": {}}}, None),
        ({"confidence": 0.7}, {"properties": {"confidence": True}}, None),
        ({"confidence": 0.7}, {"properties": {"confidence": {"minimum": 1, "maximum": 0}}}, None),
        ({"confidence": 0.7}, {"properties": {"confidence": {"minimum": "0", "maximum": None}}}, 0.7),
        ({"confidence": 0.7}, {"properties": []}, None),
        ({"confidence": 0.7}, {}, None),
        ({"confidence": 0.7}, None, None),
        ([0.7], CONFIDENCE, None),
        (0.7, CONFIDENCE, None),
        (None, CONFIDENCE, None),
    ],
)
def test_what_an_answer_says_of_itself_counts_where_the_schema_declares_it(value: Any, schema: dict[str, Any] | None, expected: float | None) -> None:
    assert self_reported(value, schema) == (None if expected is None else pytest.approx(expected))


@given(JUNK, st.dictionaries(st.sampled_from(["confidence", "certainty"]), JUNK), JUNK)
def test_whatever_an_answer_and_its_schema_are_the_self_report_is_in_bounds(least: Any, value: Any, most: Any) -> None:
    said = self_reported(value, {"properties": {name: {"minimum": least, "maximum": most} for name in ("confidence", "certainty")}})
    assert said is None or 0 <= said <= 1


FAILED = [
    '{"error": "not found"}',
    '{"error": {"code": 1}}',
    '{"is_error": true, "content": "x"}',
    '{"isError": true}',
    '{"status": 404}',
    '{"status_code": 500}',
    '{"statusCode": 503}',
    '{"success": false}',
    '{"ok": false}',
    '{"status": "error"}',
    '{"status": "failed"}',
    ' \n{"error": true}',
    "Error: file not found",
    "ValueError: invalid literal",
    "requests.exceptions.ConnectionError: refused",
    "Error executing tool",
    "Exception: x",
    "Error 404",
    "ERROR: x",
    "Traceback (most recent call last):\n  File",
    "  Error: x",
    "Error",
    "TimeoutError('x')",
]
WORKED = [
    "",
    "ok",
    "{}",
    '{"error": null}',
    '{"error": ""}',
    '{"errors": 0}',
    '{"error": false}',
    '{"is_error": false}',
    '{"status": 200}',
    '{"status": "ok"}',
    '{"status": true}',
    '{"success": true}',
    '{"rows": [{"error": "x"}]}',
    "No errors were found",
    "Error handling is explained in chapter 3",
    "Errors: none",
    "The Exception class",
    "Terrorist: no",
    "[]",
    '["error"]',
    "null",
    "{not json: error",
    '{"status": [500]}',
    '{"status": 1e400}',
    "Tracebacks are useful",
    "a" * 100_000,
    '{"error":' * 5_000,
]


@pytest.mark.parametrize("content", FAILED)
def test_a_tool_result_that_reports_an_error_counts(content: str) -> None:
    assert tool_errors([{"role": "user", "content": "x"}, {"role": "tool", "content": content}]) == 1


@pytest.mark.parametrize("content", WORKED)
def test_a_tool_result_that_only_speaks_of_errors_does_not(content: str) -> None:
    assert tool_errors([{"role": "user", "content": "x"}, {"role": "tool", "content": content}]) == 0


def test_only_results_after_the_last_message_of_the_user_count() -> None:
    failed = {"role": "tool", "content": "Error: x"}
    parts = {"role": "tool", "content": [{"type": "text", "text": json.dumps({"error": "x"})}]}
    assert (
        tool_errors(
            [failed, {"role": "user", "content": "again"}, {"role": "assistant", "content": None}, failed, parts, {"role": "assistant", "content": "Error: x"}]
        )
        == 2
    )


@given(st.lists(JUNK | st.fixed_dictionaries({"role": st.sampled_from(["tool", "function", "user"]), "content": JUNK | st.sampled_from(FAILED)})))
def test_whatever_the_messages_are_errors_are_counted(messages: list[Any]) -> None:
    assert 0 <= tool_errors(messages) <= len(messages)
