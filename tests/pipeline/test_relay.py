"""A stream whose answer waits for a person: held before anything has left, or after keep-alives, and never half told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.testing import ALLOW_ALL
from tests.pipeline.desk import Case, Desk, at_answer, at_intent, desk, fail_moves, until

BUFFERED = "{target: simulated, retries: {max: 0}, buffered: true}"
SLOW = "rules: [{first_token_ms: 400}]"


async def held(people: Desk) -> Case:
    """The intent that waits, though its caller was told nothing yet."""
    await until(lambda: "parked" in people.rows().values())
    return Case(desk=people, intent=next(iter(people.rows())), first_task="", pending=None)  # type: ignore[arg-type]  # it has no answer yet


@pytest.mark.parametrize("policies", [at_intent(), at_answer()], ids=["before the call", "after it"])
async def test_a_stream_that_waits_brings_its_answer_in_the_end(tmp_path: Path, policies: dict[str, str]) -> None:
    async with desk(tmp_path, policies, assistant=BUFFERED) as people:
        call = asyncio.create_task(people.ask("hello", wait="20", stream=True))
        await (await held(people)).accept()
        reply = await call
        assert (reply.status, reply.text, reply.done) == (200, "hello", True)
        assert reply.events[-1]["gateway"]["held"]["action"] == "accept"
        assert people.local.gateway.services.limits.running == 0


async def test_it_is_held_after_keep_alives_have_left(tmp_path: Path) -> None:
    async with desk(tmp_path, at_answer(), SLOW, assistant=BUFFERED) as people:
        object.__setattr__(people.local.gateway.services, "keep_alive_s", 0.05)
        call = asyncio.create_task(people.ask("hello", wait="20", stream=True))
        case = await held(people)
        await until(lambda: people.local.gateway.services.limits.running == 0)
        await case.accept("edit", content="better")
        reply = await call
        assert reply.body.startswith(b": ")
        assert (reply.status, reply.text, reply.done) == (200, "better", True)


async def test_a_refusal_after_keep_alives_is_an_error_in_the_stream(tmp_path: Path) -> None:
    async with desk(tmp_path, at_answer(), SLOW, assistant=BUFFERED) as people:
        object.__setattr__(people.local.gateway.services, "keep_alive_s", 0.05)
        call = asyncio.create_task(people.ask("hello", wait="20", stream=True))
        await (await held(people)).accept("refuse")
        reply = await call
        assert reply.status == 200
        assert reply.events[-1]["error"]["type"] == "policy_denied"
        assert b"hello" not in reply.body


async def test_when_the_time_is_over_the_stream_says_where_it_stands(tmp_path: Path) -> None:
    async with desk(tmp_path, at_answer(), SLOW, assistant=BUFFERED) as people:
        object.__setattr__(people.local.gateway.services, "keep_alive_s", 0.05)
        reply = await people.ask("hello", wait="0.2", stream=True)
        assert reply.done
        finish = reply.events[-1]
        assert (finish["gateway"]["state"], reply.text) == ("parked", "")
        assert (await held(people)).task.state == "open"


async def test_who_leaves_while_the_answer_is_made_ends_it_and_who_leaves_while_it_is_held_does_not(tmp_path: Path) -> None:
    async with desk(tmp_path, at_answer(), SLOW, assistant=BUFFERED) as people:
        object.__setattr__(people.local.gateway.services, "keep_alive_s", 0.05)
        people.local.key()
        early = asyncio.create_task(people.ask("early", wait="20", stream=True))
        await until(people.asked)
        early.cancel()
        await asyncio.wait({early})
        late = asyncio.create_task(people.ask("late", wait="20", stream=True))
        case = await held(people)
        late.cancel()
        await asyncio.wait({late})
        assert case.loaded().row.state == "parked"
        await case.accept()
        assert await case.text() == "late"
        entries = await people.local.entries()
        ends = [entry["facts"]["reason"] for entry in entries if entry["kind"] == "closed" and entry["intent_id"] != case.intent]
        assert ends == ["caller.gone"]
        assert people.local.gateway.services.limits.running == 0


@pytest.mark.parametrize("keep_alive_s", [15.0, 0.05])
async def test_what_cannot_be_held_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep_alive_s: float) -> None:
    async with desk(tmp_path, at_answer(), SLOW, assistant=BUFFERED) as people:
        object.__setattr__(people.local.gateway.services, "keep_alive_s", keep_alive_s)
        fail_moves(monkeypatch, "parked")
        reply = await people.ask("hello", wait="20", stream=True)
        error = reply.events[-1]["error"] if reply.status == 200 else reply.json["error"]
        assert error["code"] == "record_unavailable"
        assert b"hello" not in reply.body
        assert (people.rows(), people.local.gateway.services.limits.running) == ({}, 0)


async def test_an_answer_that_is_passed_on_cannot_be_held_any_more(tmp_path: Path) -> None:
    async with desk(tmp_path, at_answer()) as people:
        reply = await people.ask("hello", stream=True)
        assert "policy.too_late" in reply.events[-1]["error"]["message"]
        assert people.rows() == {}


async def test_streams_that_nobody_holds_are_as_before(tmp_path: Path) -> None:
    async with desk(tmp_path, ALLOW_ALL, assistant=BUFFERED) as people:
        reply = await people.ask("hello", stream=True)
        assert (reply.text, reply.done, people.rows()) == ("hello", True, {})
