"""A candidate beside the live policy: asked within its means, reloaded when it changes, and never in anybody's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.policy.contract import samples
from gateway.capabilities.policy.loading import load_policy
from gateway.capabilities.policy.policy import Policy
from gateway.capabilities.policy.shadow import MAX_REQUEST_BYTES, Shadow, ShadowOptions
from gateway.capabilities.policy.shadow_worker import Shadowed
from gateway.domain import Decision, Hook, Reason, Verdict
from gateway.infrastructure.telemetry.metrics import Metrics

Write = Callable[..., Path]
NO_MORE = 'package gateway.intent\n\nimport rego.v1\n\ndefault verdict := {"outcome": "allow"}\n\n'
DENY_OPUS = NO_MORE + 'verdict := {"outcome": "deny", "reasons": [{"rule": "route", "message": "no"}]} if input.request.route == "assistant"\n'
DENY_WORDS = NO_MORE + (
    'verdict := {"outcome": "deny", "reasons": [{"rule": "words", "message": "no"}]} if {\n\tsome message in input.request.messages\n'
    '\tcontains(message.content, "hello")\n}\n'
)
BROKEN = "package gateway.intent\n\nverdict := "


def parts(number: int = 0) -> dict[str, Any]:
    usual = dict(samples(Hook.INTENT)["usual"])
    return usual | {"intent": usual["intent"] | {"id": f"intent-{number}"}}


@pytest.fixture
def live(tmp_path: Path) -> Policy:
    folder = tmp_path / "live"
    folder.mkdir()
    for hook in Hook:
        (folder / f"{hook.value}.rego").write_text(f'package gateway.{hook.value}\n\nverdict := {{"outcome": "allow"}}\n')
    return load_policy(folder)


@asynccontextmanager
async def shadow_of(path: Path, **options: Any) -> AsyncIterator[tuple[Shadow, Metrics, list[tuple[bool, str]]]]:
    metrics, told = Metrics(), list[tuple[bool, str]]()
    shadow = Shadow(
        ShadowOptions(path=path, reload_s=0.05, **options), metrics, lambda ok, revision, problems: told.append((ok, revision if ok else str(problems[0])))
    )
    shadow.start()
    try:
        await until(lambda: bool(told))
        yield shadow, metrics, told
    finally:
        await shadow.close()


def offer(shadow: Shadow, live: Policy, number: int = 0, *, size: int = 100) -> Shadowed | None:
    asked = parts(number)
    return shadow.offer(asked, live.decide(Hook.INTENT, asked), reads=live.reads(Hook.INTENT), size=size)


async def until(true: Callable[[], bool]) -> None:
    for _ in range(6_000):
        if true():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not happen")


async def settled(shadow: Shadow, shadowed: Shadowed | None) -> str:
    assert shadowed is not None
    await until(lambda: shadowed.difference is not None)
    shadow.count()
    return shadowed.difference or ""


def counted(metrics: Metrics, name: str) -> dict[str, float]:
    lines = [line for line in metrics.render()[0].decode().splitlines() if line.startswith(f"{name}_total{{")]
    return {line.partition("{")[2].partition("}")[0]: float(line.rpartition(" ")[2]) for line in lines}


async def test_a_candidate_that_reads_more_than_the_live_policy_is_asked_about_it(write: Write, live: Policy) -> None:
    async with shadow_of(write({"intent.rego": DENY_WORDS})) as (shadow, metrics, _):
        shadowed = offer(shadow, live)
        assert await settled(shadow, shadowed) == "new_deny"
        assert shadowed is not None
        assert shadowed.decision is not None
        assert shadowed.decision.revision == shadow.status.revision != live.revision
        assert counted(metrics, "gateway_shadow_decisions") == {'difference="new_deny",hook="intent"': 1}


async def test_a_live_input_of_which_nobody_knows_what_it_has_is_not_taken_for_the_candidates(write: Write) -> None:
    folder = write({"intent.rego": DENY_OPUS})
    live = load_policy(folder)
    async with shadow_of(folder) as (shadow, _, _):
        other = replace(live.decide(Hook.INTENT, parts()), input=b"{}", revision="the one before")
        assert await settled(shadow, shadow.offer(parts(), other, reads=None, size=1)) == "none"
        assert await settled(shadow, shadow.offer(parts(), other, reads=live.reads(Hook.INTENT), size=1)) == "new_allow"


async def test_what_was_decided_once_is_known_at_once(write: Write, live: Policy) -> None:
    async with shadow_of(write({"intent.rego": DENY_OPUS})) as (shadow, metrics, _):
        await settled(shadow, offer(shadow, live))
        again = offer(shadow, live, 1)
        assert again is not None
        assert again.difference == "new_deny"
        assert counted(metrics, "gateway_shadow_decisions") == {'difference="new_deny",hook="intent"': 2}


async def test_a_policy_beside_itself_differs_in_nothing(write: Write) -> None:
    folder = write({"intent.rego": DENY_OPUS})
    live = load_policy(folder)
    async with shadow_of(folder) as (shadow, _, told):
        assert told == [(True, live.revision)]
        assert [await settled(shadow, offer(shadow, live, number)) for number in range(20)] == ["none"] * 20


@pytest.mark.parametrize(("sample", "least", "most"), [(0.0, 0, 0), (1.0, 300, 300), (0.5, 110, 190)])
async def test_a_share_of_intents_is_sampled(write: Write, live: Policy, sample: float, least: int, most: int) -> None:
    async with shadow_of(write({"intent.rego": DENY_OPUS}), sample=sample, max_share=1.0) as (shadow, _, _):
        asked = [number for number in range(300) if offer(shadow, live, number)]
        assert least <= len(asked) <= most
        assert [number for number in range(300) if offer(shadow, live, number)] == asked


async def test_a_broken_candidate_is_told_of_and_asked_nothing_until_it_is_mended(write: Write, live: Policy) -> None:
    folder = write({"intent.rego": BROKEN})
    async with shadow_of(folder) as (shadow, metrics, told):
        assert told[0][0] is False
        assert "intent.rego" in told[0][1]
        assert offer(shadow, live) is None
        assert counted(metrics, "gateway_shadow_skipped") == {'reason="not_loaded"': 1}
        write({"intent.rego": DENY_OPUS})
        await until(lambda: len(told) >= 2)
        assert await settled(shadow, offer(shadow, live)) == "new_deny"
        first = shadow.status
        write({"intent.rego": BROKEN})
        await until(lambda: len(told) >= 3)
        assert (shadow.status.revision, shadow.status.error != "", first.error) == (first.revision, True, "")
        assert await settled(shadow, offer(shadow, live, 3)) == "new_deny"


async def test_a_changed_candidate_takes_over_and_the_engine_before_it_ends(write: Write, live: Policy) -> None:
    async with shadow_of(write({"intent.rego": DENY_OPUS})) as (shadow, _, told):
        await settled(shadow, offer(shadow, live))
        before = shadow._engine
        write({"intent.rego": DENY_WORDS.replace('"hello"', '"never"')})
        await until(lambda: len(told) >= 2)
        assert await settled(shadow, offer(shadow, live, 1)) == "none"
        assert before is not None
        assert before._closed


async def test_a_folder_that_is_not_there_is_waited_for(write: Write, live: Policy, tmp_path: Path) -> None:
    async with shadow_of(tmp_path / "policies") as (shadow, _, told):
        assert told[0][0] is False
        write({"intent.rego": DENY_OPUS})
        await until(lambda: len(told) >= 2)
        assert await settled(shadow, offer(shadow, live)) == "new_deny"


async def test_a_key_that_is_none_is_told_of(write: Write, live: Policy) -> None:
    async with shadow_of(write(), key=b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n") as (shadow, _, told):
        assert told[0][0] is False
        assert offer(shadow, live) is None


async def test_what_costs_more_than_its_share_is_skipped_and_counted(write: Write, live: Policy) -> None:
    async with shadow_of(write({"intent.rego": DENY_WORDS}), max_share=0.000_001) as (shadow, metrics, _):
        await settled(shadow, offer(shadow, live))
        assert [offer(shadow, live, number) for number in range(1, 6)] == [None] * 5
        assert counted(metrics, "gateway_shadow_skipped") == {'reason="budget"': 5}


async def test_what_is_too_large_or_waits_too_long_is_skipped_and_counted(write: Write, live: Policy) -> None:
    async with shadow_of(write({"intent.rego": DENY_WORDS}), queue_entries=0, max_share=1.0) as (shadow, metrics, _):
        assert offer(shadow, live, size=MAX_REQUEST_BYTES + 1) is None
        waiting = offer(shadow, live)
        assert waiting is not None
        assert waiting.difference is None
        assert counted(metrics, "gateway_shadow_skipped") == {'reason="too_large"': 1, 'reason="queue_full"': 1}


@pytest.mark.parametrize("rule", ["policy.unavailable", "policy.timeout", "policy.error"])
async def test_a_live_policy_that_could_not_be_asked_is_not_compared_with(write: Write, rule: str) -> None:
    refused = Decision(
        hook=Hook.INTENT,
        verdict=Verdict(outcome="deny", reasons=(Reason(rule, "it failed"),)),
        revision="",
        input=b"{}",
        memoised=False,
        duration_ns=0,
    )
    async with shadow_of(write({"intent.rego": DENY_OPUS})) as (shadow, metrics, _):
        assert shadow.offer(parts(), refused, reads=frozenset(), size=1) is None
        assert counted(metrics, "gateway_shadow_skipped") == {'reason="live_fault"': 1}


async def test_an_input_that_no_policy_may_be_asked_about_is_skipped(write: Write, live: Policy) -> None:
    async with shadow_of(write({"intent.rego": DENY_WORDS})) as (shadow, metrics, _):
        odd = parts() | {"request": {"route": "assistant", "messages": [{"role": "user", "content": "\ud800"}]}}
        assert shadow.offer(odd, live.decide(Hook.INTENT, odd), reads=live.reads(Hook.INTENT), size=1) is None
        assert counted(metrics, "gateway_shadow_skipped") == {'reason="input"': 1}


async def test_a_candidate_whose_process_dies_is_an_error_that_is_counted_and_goes_on(write: Write, live: Policy) -> None:
    async with shadow_of(write({"intent.rego": DENY_WORDS})) as (shadow, metrics, _):
        engine = shadow._engine
        assert engine is not None
        assert engine._process is not None
        engine._process.kill()
        engine._process.wait()
        assert await settled(shadow, offer(shadow, live)) == "error"
        assert await settled(shadow, offer(shadow, live, 1)) == "new_deny"
        assert counted(metrics, "gateway_shadow_decisions") == {'difference="error",hook="intent"': 1, 'difference="new_deny",hook="intent"': 1}


async def test_a_candidate_decides_anew_about_what_people_have_approved(write: Write, live: Policy) -> None:
    asks = NO_MORE + 'verdict := {"outcome": "escalate"} if count([approval | some approval in input.approvals; approval.hook == "intent"]) == 0\n'
    async with shadow_of(write({"intent.rego": asks, "answer.rego": 'package gateway.answer\n\nverdict := {"outcome": "allow"}\n'})) as (shadow, _, _):
        approved = parts() | {"approvals": [{"hook": "intent", "by": "key_2"}]}
        for asked, outcome, remembered in ((parts(), "escalate", False), (approved, "allow", False), (parts(), "escalate", True), (approved, "allow", False)):
            shadowed = shadow.offer(asked, live.decide(Hook.INTENT, asked), reads=live.reads(Hook.INTENT), size=100)
            await settled(shadow, shadowed)
            assert shadowed is not None
            assert shadowed.decision is not None
            assert (shadowed.decision.verdict.outcome, shadowed.decision.memoised) == (outcome, remembered)
