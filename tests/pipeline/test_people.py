"""What callers and reviewers are told of a task, in the same words everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.domain import Origin
from gateway.pipeline.parked import Draft
from gateway.pipeline.people import clock, origin_of, task_words
from tests.pipeline.desk import at_answer, at_intent, desk

SECRET = "sk-proj-" + "a1B2c3D4" * 6


@pytest.mark.parametrize(
    ("at_ns", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (1_767_607_200_123_456_789, "2026-01-05T10:00:00.123Z"), (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z")],
)
def test_times_are_rfc_3339_in_utc(at_ns: int, text: str) -> None:
    assert clock(at_ns) == text


@pytest.mark.parametrize(("source", "origin"), [("person", Origin.PERSON), ("model", Origin.MODEL), ("gateway", Origin.MODEL)])
def test_who_brought_what_is_found(source: str, origin: Origin) -> None:
    assert origin_of(Draft(body={}, source=source, author="a")) is origin


async def test_a_caller_is_told_when_and_by_whom_and_not_why(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        case = await people.park()
        words = task_words(case.task)
        assert set(words) == {"id", "queue", "mode", "due_at", "expires_at"}
        assert case.pending.json["gateway"]["task"] == words
        assert b"ask.people" not in case.pending.body


async def test_secrets_are_shown_to_nobody_whatever_policy_reveals(tmp_path: Path) -> None:
    async with desk(tmp_path, at_answer(person=("*",)), f"rules: [{{reply: 'use {SECRET} for {{echo}}'}}]") as people:
        case = await people.park("jane.doe@example.com")
        shown = (await case.shown())["context"]
        assert shown["draft"]["choices"][0]["content"].endswith("for jane.doe@example.com")
        assert SECRET not in str(shown)


async def test_where_there_is_no_draft_none_is_shown(tmp_path: Path) -> None:
    async with desk(tmp_path, at_intent()) as people:
        assert (await (await people.park()).shown())["context"]["draft"] is None
