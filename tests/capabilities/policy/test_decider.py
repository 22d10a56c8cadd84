"""The live policy and its reloads."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.capabilities.policy.decider import PolicyDecider, PolicyOptions
from gateway.capabilities.policy.problems import PolicyError, Problem
from gateway.domain import Hook
from tests.capabilities.policy.conftest import Write

DENY = 'package gateway.intent\n\nverdict := {"outcome": "deny", "reasons": [{"rule": "closed", "message": "closed"}]}\n'
ENDLESS = (
    "package gateway.intent\n\n"
    "t := [" + ",\n".join(["0"] * 300) + "]\n\ns1 := [1 | t[_]; t[_]]\n\ns2 := [1 | s1[_]; t[_]]\n\ns3 := [1 | s2[_]; t[_]]\n\nverdict := {} if count(s3) > 0\n"
)


async def outcome(decider: PolicyDecider) -> str:
    return (await decider.decide(Hook.INTENT, {})).verdict.outcome


async def settled(decider: PolicyDecider) -> None:
    """Until a look at the folder finds a finished change and deals with it."""
    for _ in range(100):
        if await decider.reload_if_changed():
            return
    raise AssertionError("no change was seen")


@pytest.fixture
def calls() -> list[tuple[bool, str, int]]:
    return []


def decider_of(folder: Path, calls: list[tuple[bool, str, int]], reload_s: float = 3_600.0, trial_s: float = 20.0) -> PolicyDecider:
    def on_reload(ok: bool, revision: str, problems: Sequence[Problem]) -> None:
        calls.append((ok, revision, len(problems)))

    return PolicyDecider(PolicyOptions(path=folder, reload_s=reload_s, trial_s=trial_s), on_reload=on_reload)


async def test_before_its_start_everything_is_refused(write: Write) -> None:
    decider = PolicyDecider(PolicyOptions(path=write()))
    decision = await decider.decide(Hook.ANSWER, {})
    assert [reason.rule for reason in decision.verdict.reasons] == ["policy.unavailable"]
    assert decider.reads_answer_content
    assert not decider.status.live
    assert decider.reads(Hook.INTENT) == {()}


async def test_a_start_on_a_bad_policy_is_refused_with_its_problems(write: Write) -> None:
    decider = PolicyDecider(PolicyOptions(path=write({"more.rego": "package more\n\nv := http.send({})\n"})))
    with pytest.raises(PolicyError, match=r"more.rego:3:\d+: http.send may not be called"):
        await decider.start()
    assert await outcome(decider) == "deny"
    await decider.close()


async def test_good_then_broken_then_good(write: Write, calls: list[tuple[bool, str, int]]) -> None:
    decider = decider_of(write(), calls)
    await decider.start()
    first = decider.revision
    assert not await decider.reload_if_changed()
    write({"intent.rego": "package gateway.intent\n\nverdict := {"})
    await settled(decider)
    assert await outcome(decider) == "allow"
    assert decider.revision == first
    assert "intent.rego:3" in decider.status.error
    write({"intent.rego": DENY})
    await settled(decider)
    assert await outcome(decider) == "deny"
    assert decider.status.error == ""
    assert (decider.status.reloads_ok, decider.status.reloads_failed) == (1, 1)
    assert [ok for ok, _, _ in calls] == [False, True]
    assert calls[0][1] == first != calls[1][1] == decider.revision
    await decider.close()


@pytest.mark.parametrize("gone", ["folder", "file"])
async def test_what_vanishes_leaves_the_last_good_policy(write: Write, calls: list[tuple[bool, str, int]], gone: str) -> None:
    folder = write()
    decider = decider_of(folder, calls)
    await decider.start()
    if gone == "folder":
        shutil.rmtree(folder)
    else:
        (folder / "answer.rego").unlink()
    await settled(decider)
    assert await outcome(decider) == "allow"
    assert decider.status.error
    write()
    await settled(decider)
    assert decider.status.error == ""
    await decider.close()


async def test_an_endless_policy_is_killed_while_the_last_good_one_serves_on(write: Write, calls: list[tuple[bool, str, int]]) -> None:
    decider = decider_of(write(), calls, trial_s=1.5)
    await decider.start()
    write({"intent.rego": ENDLESS})
    reload = asyncio.create_task(settled(decider))
    served = 0
    while not reload.done():
        assert await outcome(decider) == "allow"
        served += 1
        await asyncio.sleep(0.02)
    await reload
    assert served > 10
    assert "took longer than 1.5 s" in decider.status.error
    await decider.close()


async def test_a_file_that_is_still_being_written_is_left_alone(write: Write, calls: list[tuple[bool, str, int]]) -> None:
    folder = write()
    decider = decider_of(folder, calls)
    await decider.start()
    with (folder / "intent.rego").open("w", encoding="utf-8") as file:
        for piece in range(3):
            look = asyncio.create_task(decider.reload_if_changed())
            for _ in range(10):
                file.write(f"# {piece}\n")
                file.flush()
                await asyncio.sleep(0.01)
            assert not await look
        file.write(DENY)
    await settled(decider)
    assert await outcome(decider) == "deny"
    assert [ok for ok, _, _ in calls] == [True]
    await decider.close()


async def test_changes_are_seen_without_being_asked_and_no_request_is_lost(write: Write, calls: list[tuple[bool, str, int]]) -> None:
    decider = decider_of(write(), calls, reload_s=0.02)
    await decider.start()
    write({"intent.rego": DENY})
    seen = []
    while len(calls) < 1:
        seen.append(await outcome(decider))
        await asyncio.sleep(0.005)
    assert set(seen) <= {"allow", "deny"}
    assert calls == [(True, decider.revision, 0)]
    assert await outcome(decider) == "deny"
    await decider.close()


async def test_closing_kills_a_trial_that_runs(write: Write, calls: list[tuple[bool, str, int]]) -> None:
    decider = decider_of(write(), calls, reload_s=0.02, trial_s=60)
    await decider.start()
    write({"intent.rego": ENDLESS})
    await asyncio.sleep(0.5)
    async with asyncio.timeout(30):
        await decider.close()
    assert await outcome(decider) == "allow"


async def test_a_decider_of_a_policy_has_no_folder_to_watch() -> None:
    with pytest.raises(ValueError, match="not for a folder"):
        await PolicyDecider().start()


async def test_a_policy_that_asks_for_content_that_has_left_already_refuses(write: Write, calls: list[tuple[bool, str, int]]) -> None:
    decider = decider_of(write(), calls)
    write({"answer.rego": 'package gateway.answer\n\nverdict := {"outcome": "allow"} if object.get(input, ["answer", "text"], "") != "x"\n'})
    await decider.start()
    assert decider.reads_answer_content
    whole = await decider.decide(Hook.ANSWER, {"answer": {"text": lambda: "y", "finish_reason": "stop"}})
    left = await decider.decide(Hook.ANSWER, {"answer": {"finish_reason": "stop"}})
    assert (whole.verdict.outcome, left.verdict.outcome) == ("allow", "deny")
    await decider.close()
