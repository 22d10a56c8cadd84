from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.configuration.queue_checks import check_queues
from gateway.configuration.source import Document

KEYED = "tenants: {a: {payload_key: 'env:A'}}\n"


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "config.yaml"
    path.write_text(text)
    document = Document(path)
    check_queues(document)
    return [str(problem).removeprefix(f"{path}:") for problem in document.problems]


@pytest.mark.parametrize(
    ("queues", "said"),
    [
        ("  approvals: {}\n  reviews: {on_expiry: 'queue:aprovals'}\n", ["4: queues.reviews.on_expiry: no queue named 'aprovals' (did you mean 'approvals'?)"]),
        (
            "  a: {on_expiry: 'queue:a'}\n",
            ["3: queues.a.on_expiry: goes round, a -> a, so a task that nobody decides would never end (end it with refuse or release in one of them)"],
        ),
        (
            "  in: {on_expiry: 'queue:a'}\n  a: {on_expiry: 'queue:b'}\n  b: {on_expiry: 'queue:a'}\n",
            ["4: queues.a.on_expiry: goes round, a -> b -> a, so a task that nobody decides would never end (end it with refuse or release in one of them)"],
        ),
        (
            "  a: {due_s: 10, expires_s: 5}\n",
            ["3: queues.a.due_s: a task would be due after 10 s, when it has expired after 5 s (lower due_s, or raise expires_s)"],
        ),
        (
            "  a:\n    description: x\n    expires_s: 60\n",
            ["5: queues.a.expires_s: a task would be due after 3600 s, when it has expired after 60 s (lower due_s, or raise expires_s)"],
        ),
    ],
)
def test_what_cannot_work_is_told_with_its_line_and_what_to_do(tmp_path: Path, queues: str, said: list[str]) -> None:
    assert problems(tmp_path, f"{KEYED}queues:\n{queues}") == said


@pytest.mark.parametrize(
    "queues",
    [
        "  a: {on_expiry: 'queue:b'}\n  b: {on_expiry: 'queue:c'}\n  c: {on_expiry: release}\n",
        "  a: {on_expiry: 'queue:c'}\n  b: {on_expiry: 'queue:c'}\n  c: {}\n",
        "  a: {due_s: 60, expires_s: 60}\n",
    ],
)
def test_queues_that_end_somewhere_are_left_alone(tmp_path: Path, queues: str) -> None:
    assert problems(tmp_path, f"{KEYED}queues:\n{queues}") == []


def test_a_tenant_without_a_key_is_a_problem_only_where_something_could_wait(tmp_path: Path) -> None:
    tenants = "tenants:\n  a: {payload_key: 'env:A'}\n  b: {}\n  c: 5\n"
    assert problems(tmp_path, tenants) == []
    assert problems(tmp_path, f"{tenants}queues: {{q: {{}}}}\n") == [
        (
            "3: tenants.b.payload_key: is required where there are queues: what waits for a person is stored encrypted with it "
            "(add payload_key: file:.gateway/secrets/b_payload and run `gateway init`)"
        )
    ]


def test_older_keys_alone_are_a_problem(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, "tenants:\n  a: {older_payload_keys: ['env:OLD']}\n")
    assert said.startswith("2: tenants.a.payload_key: is required beside older_payload_keys")


@given(st.lists(st.sampled_from(["refuse", "release", *(f"queue:q{number}" for number in range(6))]), min_size=6, max_size=6))
def test_a_round_is_told_exactly_where_there_is_one(tmp_path_factory: pytest.TempPathFactory, ends: list[str]) -> None:
    lines = "".join(f"  q{number}: {{on_expiry: '{end}'}}\n" for number, end in enumerate(ends))
    told = problems(tmp_path_factory.mktemp("queues"), f"{KEYED}queues:\n{lines}")
    following = {number: int(end[-1]) for number, end in enumerate(ends) if end.startswith("queue:")}
    on_a_round = set[int]()
    for start in following:
        at: int | None = start
        for _ in range(len(ends)):
            at = following.get(at) if at is not None else None
            if at == start:
                on_a_round.add(start)
    rounds = {frozenset(_walk(following, start)) for start in on_a_round}
    assert len(told) == len(rounds)
    assert all("goes round" in said for said in told)


def _walk(following: dict[int, int], start: int) -> list[int]:
    way = [start]
    while following[way[-1]] != start:
        way.append(following[way[-1]])
    return way


@pytest.mark.parametrize("queues", ["5", "[a]", "{a: 5}", "{a: {on_expiry: [x], due_s: x, expires_s: true, webhook: 5}}", "{a: {on_expiry: 'queue:'}}"])
def test_any_shape_is_looked_at_without_falling_over(tmp_path: Path, queues: str) -> None:
    assert all("no queue named ''" in said for said in problems(tmp_path, f"{KEYED}queues: {queues}\n"))
