"""The vectors of an answer: one for each input, in order, in the encoding that was asked for."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.embeddings import inputs_of, longest_of, vectors_of
from gateway.errors import UpstreamMalformed

floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
batches = st.integers(1, 5).flatmap(lambda size: st.lists(st.lists(floats, min_size=size, max_size=size), min_size=1, max_size=5))


def packed(numbers: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


@given(batches, st.booleans(), st.booleans())
def test_numbers_are_the_same_in_either_encoding(batch: list[list[float]], came_encoded: bool, asked_encoded: bool) -> None:
    answer = {"data": [{"embedding": packed(numbers) if came_encoded else numbers} for numbers in batch]}
    data, dimensions = vectors_of(answer, inputs=len(batch), encoded=asked_encoded, target="t")
    assert [entry["embedding"] for entry in data] == [packed(numbers) if asked_encoded else numbers for numbers in batch]
    assert dimensions == len(batch[0])
    assert [entry["index"] for entry in data] == list(range(len(batch)))


def test_vectors_come_in_the_order_of_their_inputs_and_nothing_else_comes_with_them() -> None:
    answer = {"data": [{"index": 1, "embedding": [1.0], "note": "jane.doe@example.com"}, {"index": 0, "embedding": [0.0], "object": "other"}]}
    data, _ = vectors_of(answer, inputs=2, encoded=False, target="t")
    assert data == [{"object": "embedding", "index": at, "embedding": [float(at)]} for at in (0, 1)]


@pytest.mark.parametrize(
    "data",
    [
        [{"embedding": [1.0]}],
        [{"embedding": [1.0]}] * 3,
        [{"index": 0, "embedding": [1.0]}] * 2,
        [{"index": 1, "embedding": [1.0]}, {"index": 2, "embedding": [1.0]}],
        [{"embedding": [1.0]}, {"embedding": [1.0, 2.0]}],
        [{"embedding": [1.0]}, {"embedding": "AAA="}],
        [{"embedding": [1.0]}, {"embedding": "not base64"}],
        [{"embedding": [1.0]}, {"embedding": ""}],
        [{"embedding": packed([1.0])}, {"embedding": packed([float("nan")])}],
        [{"embedding": packed([1.0])}, {"embedding": packed([float("inf")])}],
    ],
)
def test_what_is_not_a_vector_for_each_input_is_malformed(data: list[Any]) -> None:
    with pytest.raises(UpstreamMalformed) as caught:
        vectors_of({"data": data}, inputs=2, encoded=False, target="somewhere")
    assert "somewhere" in caught.value.message


@pytest.mark.parametrize(
    ("given", "inputs", "longest"),
    [("hello", 1, "hello"), (["a", "abc", "ab"], 3, "abc"), ([1, 2, 3], 1, [1, 2, 3]), ([[1], [2, 3]], 2, [2, 3]), (["a"], 1, "a")],
)
def test_inputs_are_counted_and_the_longest_is_known(given: Any, inputs: int, longest: Any) -> None:
    assert (inputs_of({"input": given}), longest_of({"input": given})["input"]) == (inputs, longest)
