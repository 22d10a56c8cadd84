from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamError, UpstreamMalformed, UpstreamRateLimited, UpstreamRejected, UpstreamUnavailable
from gateway.infrastructure.upstream_answers import answer_of, embeddings_of, note_chunk, refusal

GOOD: dict[str, Any] = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}


def test_an_answer_is_handed_on_as_it_is() -> None:
    assert answer_of(orjson.dumps({**GOOD, "x": 1}), "there") == {**GOOD, "x": 1}
    assert answer_of(orjson.dumps({**GOOD, "error": None}), "there")["choices"] == GOOD["choices"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"choices": null}',
        b'{"choices": {}}',
        b'{"choices": []}',
        b'{"choices": [null]}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": "hi"}]}',
        b'{"choices": [{"message": NaN}]}',
        b'{"error": {"message": "bluebird"}}',
        b'{"error": "bluebird", "choices": [{"message": {}}]}',
        b'{"choices": [{"message": {"content": "\\ud800"}}]}',
        b"[" * 2_000,
    ],
)
def test_anything_else_is_malformed(raw: bytes) -> None:
    with pytest.raises(UpstreamMalformed) as caught:
        answer_of(raw, "there")
    assert "bluebird" not in caught.value.message


@pytest.mark.parametrize(
    "chunk",
    [
        [],
        None,
        {},
        {"choices": None},
        {"choices": [1]},
        {"choices": [{"index": "0", "delta": {}}]},
        {"choices": [{"index": True, "delta": {}}]},
        {"choices": [{"delta": "text"}]},
        {"choices": [{"delta": {}, "finish_reason": 7}]},
        {"choices": [], "error": {"message": "bluebird"}},
    ],
)
def test_a_chunk_of_another_shape_is_refused(chunk: Any) -> None:
    problem = note_chunk(chunk, set(), set())
    assert problem
    assert "bluebird" not in problem


def test_a_chunk_notes_which_choices_are_open_and_finished() -> None:
    opened: set[int] = set()
    finished: set[int] = set()
    assert note_chunk({"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {}}]}, opened, finished) is None
    bare: dict[str, Any] = {"choices": [{"finish_reason": "stop"}]}
    assert note_chunk(bare, opened, finished) is None
    assert (opened, finished) == ({0, 1}, {0})
    assert bare["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop"}


@pytest.mark.parametrize(
    ("status", "expected", "answered"),
    [
        (400, UpstreamRejected, 400),
        (401, UpstreamRejected, 502),
        (403, UpstreamRejected, 502),
        (404, UpstreamRejected, 502),
        (413, UpstreamRejected, 413),
        (422, UpstreamRejected, 422),
        (429, UpstreamRateLimited, 429),
        (500, UpstreamUnavailable, 502),
        (503, UpstreamUnavailable, 502),
        (529, UpstreamUnavailable, 502),
        (204, UpstreamMalformed, 502),
        (301, UpstreamMalformed, 502),
    ],
)
def test_a_status_has_its_error_and_keeps_it(status: int, expected: type[UpstreamError], answered: int) -> None:
    error = refusal(status, b"", None, "there")
    assert type(error) is expected
    assert error.upstream_status == status
    assert error.http_status == answered


def test_identifiers_of_an_error_are_quoted_and_nothing_else() -> None:
    said = {"message": "The prompt 'bluebird' is too long", "type": "invalid_request_error", "code": "context_length_exceeded", "param": "messages[2]"}
    error = refusal(400, orjson.dumps({"error": said}), None, "there")
    assert error.message == "The target there rejected the request with status 400 (type: invalid_request_error, code: context_length_exceeded)."
    assert error.param == "messages[2]"


values = st.one_of(
    st.text(min_size=1),
    st.sampled_from(["4111111111111111", "jane@example.com", "+1 555 0100", "sk-abcdef", "078-05-1120", "a b", "x" * 500, "Bluebird", "a1", "192.0.2.1"]),
    st.integers(),
    st.none(),
    st.lists(st.text()),
)


@given(values, st.sampled_from([400, 401, 404, 418, 429, 500, 503]), st.booleans())
def test_no_value_gets_into_an_error(value: Any, status: int, bare: bool) -> None:
    said = value if bare else {"message": value, "type": value, "code": value, "param": value}
    error = refusal(status, orjson.dumps({"error": said}) if _dumps(value) else b"x", None, "there")
    plain = isinstance(value, str) and value.isascii() and value.replace("_", "a").isalpha() and value.islower()
    assert plain or not isinstance(value, str) or f": {value}" not in error.message
    assert plain or error.param is None


def _dumps(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


@pytest.mark.parametrize(
    ("given_value", "handed_on"),
    [
        ("7", "7"),
        ("0", "0"),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT"),
        ("-1", None),
        ("1.5", None),
        ("9999999", None),
        ("soon", None),
        ("7\r\nx: y", None),
        ("\N{ARABIC-INDIC DIGIT SEVEN}", None),
        ("x" * 1_000, None),
        (None, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_handed_on_if_it_is_a_number_or_a_date(given_value: str | None, handed_on: str | None, status: int) -> None:
    assert refusal(status, b"", given_value, "there").headers.get("Retry-After") == handed_on


@pytest.mark.parametrize(
    "choice",
    [
        {"message": {"tool_calls": {"name": "rm"}}},
        {"message": {"tool_calls": [7]}},
        {"message": {"tool_calls": [{"function": "rm"}]}},
        {"message": {"function_call": "rm"}},
        {"message": {}, "finish_reason": {"a": 1}},
        {"message": {"x": orjson.loads("[" * 300 + "]" * 300)}},
    ],
)
def test_what_could_not_be_judged_or_written_again_is_malformed(choice: dict[str, Any]) -> None:
    raw = json.dumps({"choices": [choice]}).encode()
    with pytest.raises(UpstreamMalformed):
        answer_of(raw, "there")


def test_an_empty_finish_reason_is_none() -> None:
    opened: set[int] = set()
    finished: set[int] = set()
    chunk = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": ""}]}
    assert note_chunk(chunk, opened, finished) is None
    assert (opened, finished, chunk["choices"][0]["finish_reason"]) == ({0}, set(), None)


EMBEDDED: dict[str, Any] = {"data": [{"index": 0, "embedding": [0.5, -1, 2e-3]}, {"index": 1, "embedding": "AAAAPwAAgL8="}], "usage": {"prompt_tokens": 2}}


def test_embeddings_are_handed_on_as_they_are() -> None:
    assert embeddings_of(orjson.dumps(EMBEDDED), "there") == EMBEDDED
    assert embeddings_of(orjson.dumps({"data": [{"embedding": [1]}]}), "there")["data"] == [{"embedding": [1]}]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": []},
        {"data": {}},
        {"data": [[0.5]]},
        {"data": [{}]},
        {"data": [{"embedding": []}]},
        {"data": [{"embedding": [0.5, "bluebird"]}]},
        {"data": [{"embedding": [0.5, None]}]},
        {"data": [{"embedding": [True]}]},
        {"data": [{"embedding": "bluebird!"}]},
        {"data": [{"embedding": "AAA"}]},
        {"data": [{"embedding": [0.5], "index": "a"}]},
        {"data": [{"embedding": [0.5]}], "usage": [1]},
        {"error": {"message": "bluebird"}, "data": [{"embedding": [0.5]}]},
        [],
    ],
)
def test_embeddings_of_another_form_are_malformed(body: Any) -> None:
    with pytest.raises(UpstreamMalformed) as caught:
        embeddings_of(orjson.dumps(body), "there")
    assert "bluebird" not in caught.value.message


_NAMES = st.sampled_from(["data", "embedding", "index", "usage"])
_LEAVES = st.one_of(st.none(), st.booleans(), st.floats(allow_nan=False), st.text(max_size=5))
_ANY = st.recursive(_LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_NAMES, inner, max_size=4)), max_leaves=8)


@given(_ANY)
def test_no_json_breaks_the_check_of_embeddings(body: Any) -> None:
    try:
        checked = embeddings_of(orjson.dumps(body), "there")
    except UpstreamMalformed as error:
        assert error.http_status == 502  # noqa: PT017 - either way is right
    else:
        assert checked == body
