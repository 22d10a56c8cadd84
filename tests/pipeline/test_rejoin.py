"""A call joins one whose answer waits for a person before a model is asked for nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.intents import IntentStore
from gateway.infrastructure.database import DatabaseError
from gateway.pipeline.lately import Lately
from gateway.testing import ALLOW_ALL
from tests.pipeline.desk import at_answer, desk


@pytest.mark.parametrize("stream", [False, True])
async def test_no_model_is_asked_a_second_time_for_what_is_in_review(tmp_path: Path, stream: bool) -> None:
    async with desk(tmp_path, at_answer(), assistant="{target: simulated, retries: {max: 0}, buffered: true}") as people:
        case = await people.park("hello", stream=stream) if not stream else None
        if case is None:
            await people.ask("hello", stream=True)
        again = await people.ask("hello", stream=stream)
        assert len(people.asked()) == 1
        assert list(people.rows()) == [again.headers["x-gateway-record"]]
        assert len(people.query("SELECT * FROM tasks")) == 1


async def test_another_process_calls_the_model_and_joins_then(tmp_path: Path) -> None:
    """What was parked elsewhere is only found when the same call is held again."""
    async with desk(tmp_path, at_answer()) as people:
        case = await people.park("hello")
        object.__setattr__(people.local.gateway.services, "lately", Lately(join_s=600))
        again = await people.ask("hello")
        assert again.headers["x-gateway-record"] == case.intent
        assert len(people.asked()) == 2
        entries = [entry for entry in await people.local.entries() if entry["intent_id"] not in {None, case.intent}]
        assert [entry["kind"] for entry in entries if entry["kind"] != "genesis"] == ["opened", "closed"]
        closed: Any = entries[-1]["facts"]
        assert (closed["reason"], closed["joined"], len(closed["attempts"])) == ("joined", case.intent, 1)


async def test_who_was_held_lately_is_served_as_usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Any] = []

    def broken(*place: Any) -> Any:
        looked.append(place)
        raise DatabaseError("gone")

    async with desk(tmp_path, at_answer(when='input.request.route == "assistant"')) as people:
        await people.park("hello -large")
        assert (await people.ask("hello ", model="assistant-large")).text == "hello "
        monkeypatch.setattr(IntentStore, "same_call", broken)
        assert (await people.ask("hi", model="assistant-large")).text == "hi"
        assert looked == []
        assert (await people.ask("howdy ", model="assistant-large")).text == "howdy "
        assert len(looked) == 1


async def test_who_was_never_held_is_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(IntentStore, "same_call", lambda *arguments: asked.append(arguments))
    async with desk(tmp_path, ALLOW_ALL) as people:
        assert (await people.ask("hello")).text == "hello"
        assert asked == []
