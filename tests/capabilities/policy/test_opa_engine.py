"""An OPA server decides where it has the same policy, is left alone while it is down, and is replaced only where the config says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.capabilities.policy import opa_engine
from gateway.capabilities.policy.decider import PolicyDecider
from gateway.capabilities.policy.opa_engine import AT_ONCE, LIMITS, OpaEngine
from gateway.capabilities.policy.policy import Policy
from gateway.domain import EMBEDDED, OPA, Decision, Hook
from gateway.infrastructure.policy_engine_embedded import UNDEFINED, EngineError
from gateway.infrastructure.policy_engine_opa import OpaAnswer
from gateway.infrastructure.telemetry.metrics import Metrics
from tests.capabilities.policy.faults import ALLOW, bundle_of, policy_of

DENY = 'verdict := {"outcome": "deny", "reasons": [{"rule": "own", "message": "no"}]}'
REVISION = "r" * 64
PARTS = {"subject": {"id": "key_1"}, "request": {"route": "assistant"}}


@dataclass
class Server:
    """Answers as it is told, without a network."""

    value: Any = field(default_factory=lambda: {"outcome": "allow"})
    revisions: frozenset[str] = frozenset({REVISION})
    fault: EngineError | None = None
    asked: list[str] = field(default_factory=list)
    hangs: asyncio.Event | None = None

    async def start(self) -> None:
        return

    async def close(self) -> None:
        return

    async def ask(self, rule: str, document: str) -> OpaAnswer:
        self.asked.append(rule)
        if self.hangs is not None:
            await self.hangs.wait()
        if self.fault is not None:
            raise self.fault
        return OpaAnswer(UNDEFINED if rule == "data.gateway.nothing" else self.value, self.revisions)

    @property
    def decisions(self) -> int:
        return sum(rule.endswith(".verdict") for rule in self.asked)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Stage:
    server: Server
    engine: OpaEngine
    decider: PolicyDecider
    metrics: Metrics
    clock: Clock
    changes: list[str]

    async def decide(self, hook: Hook = Hook.INTENT, **parts: Any) -> Decision:
        return await self.decider.decide(hook, {**PARTS, **parts})

    def counted(self, name: str) -> list[str]:
        return [line for line in self.metrics.render()[0].decode().splitlines() if line.startswith(name)]


@asynccontextmanager
async def stage(intent: str = DENY, *, fallback: bool = False, policy: Policy | None = None, server: Server | None = None) -> AsyncIterator[Stage]:
    """A decider of a policy that refuses when it is evaluated here, and a server that allows. The server is not looked at again by itself."""
    made, clock, metrics, changes = server or Server(), Clock(), Metrics(), list[str]()
    engine = OpaEngine(made, metrics, fallback=fallback, on_change=lambda _, state: changes.append(state), now=clock)
    await engine.look()
    decider = PolicyDecider(policy=policy or policy_of(bundle_of(intent, DENY)), opa=engine)
    yield Stage(made, engine, decider, metrics, clock, changes)


async def test_the_server_decides_and_the_decision_says_so() -> None:
    async with stage() as it:
        decision = await it.decide()
        assert (decision.verdict.outcome, decision.engine, decision.revision) == ("allow", OPA, REVISION)
        assert it.counted("gateway_opa_requests_total") == ['gateway_opa_requests_total{result="ok"} 1.0']


async def test_without_a_server_nothing_is_awaited() -> None:
    decider = PolicyDecider(policy=policy_of(bundle_of(DENY, DENY)))
    coroutine = decider.decide(Hook.INTENT, PARTS)
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    assert done.value.value.engine == EMBEDDED
    assert not decider.decides_in_opa


async def test_its_verdicts_are_remembered_while_it_confirms_the_revision() -> None:
    async with stage('verdict := {"outcome": "allow"} if input.subject.id') as it:
        decisions = [await it.decide() for _ in range(3)]
        assert [decision.memoised for decision in decisions] == [False, True, True]
        assert {decision.engine for decision in decisions} == {OPA}
        assert it.server.decisions == 1
        it.server.fault = EngineError("unavailable", "gone")
        await it.engine.look()
        refused = await it.decide()
        assert (refused.verdict.outcome, refused.memoised) == ("deny", False)


@pytest.mark.parametrize(
    ("fault", "rule", "falls_back"),
    [
        (EngineError("unavailable", "gone"), "policy.unavailable", True),
        (EngineError("timeout", "late"), "policy.timeout", True),
        (EngineError("error", "failed", file="intent.rego", line=3), "policy.error", False),
        (EngineError("size", "huge"), "policy.malformed", False),
    ],
    ids=lambda value: value.kind if isinstance(value, EngineError) else None,
)
@pytest.mark.parametrize("fallback", [False, True])
async def test_a_fault_refuses_or_the_embedded_engine_decides(fault: EngineError, rule: str, falls_back: bool, fallback: bool) -> None:
    async with stage(fallback=fallback) as it:
        it.server.fault = fault
        decision = await it.decide()
        assert decision.verdict.outcome == "deny"
        if fallback and falls_back:
            assert (decision.verdict.reasons[0].rule, decision.engine) == ("own", EMBEDDED)
            assert it.counted("gateway_opa_fallbacks_total") == ['gateway_opa_fallbacks_total{hook="intent"} 1.0']
        else:
            assert (decision.verdict.reasons[0].rule, decision.engine) == (rule, OPA)
            assert it.counted("gateway_opa_fallbacks_total") == []
        assert decision.revision == REVISION
        assert it.counted("gateway_opa_requests_total") == [f'gateway_opa_requests_total{{result="{fault.kind}"}} 1.0']


@pytest.mark.parametrize("value", [None, "allow", [], {"outcome": "maybe"}, {"outcome": "allow", "obligations": {"approval": {}}}, UNDEFINED])
async def test_what_is_no_verdict_refuses_and_is_not_remembered_nor_asked_of_another(value: Any) -> None:
    async with stage(fallback=True) as it:
        it.server.value = value
        decision = await it.decide()
        assert (decision.verdict.outcome, decision.engine, decision.memoised) == ("deny", OPA, False)
        assert decision.verdict.reasons[0].rule in {"policy.malformed", "policy.unsupported", "policy.undefined"}
        assert (await it.decide()).memoised is False


@pytest.mark.parametrize(("revisions", "words"), [(frozenset({"other"}), "another revision"), (frozenset(), "does not say by which revision")])
async def test_an_answer_by_another_revision_is_none(revisions: frozenset[str], words: str) -> None:
    async with stage(server=Server(revisions=revisions)) as it:
        decision = await it.decide()
        assert decision.verdict.reasons[0].rule == "policy.unavailable"
        assert words in decision.verdict.reasons[0].message
        assert not it.decider.decides_in_opa
        assert it.counted("gateway_opa_requests_total") == ['gateway_opa_requests_total{result="revision"} 1.0']
    async with stage(fallback=True, server=Server(revisions=revisions)) as it:
        assert (await it.decide()).engine == EMBEDDED


async def test_one_bundle_of_several_has_to_have_the_revision() -> None:
    async with stage(server=Server(revisions=frozenset({"other", REVISION}))) as it:
        assert (await it.decide()).verdict.outcome == "allow"
        assert it.decider.decides_in_opa


async def test_a_server_that_is_down_is_left_alone_and_found_again() -> None:
    async with stage() as it:
        it.server.fault = EngineError("timeout", "late")
        for _ in range(10):
            assert (await it.decide()).verdict.outcome == "deny"
        assert it.server.decisions == LIMITS.failures
        it.clock.now += LIMITS.open_s
        assert (await it.decide()).verdict.reasons[0].rule == "policy.unavailable"
        assert it.server.decisions == LIMITS.failures, "no decision is the probe"
        await it.engine.look()
        assert it.changes == ["open", "half_open", "open"]
        it.server.fault = None
        it.clock.now += LIMITS.open_s
        await it.engine.look()
        assert it.changes[-1] == "closed"
        assert (await it.decide()).verdict.outcome == "allow"


async def test_a_policy_that_fails_on_an_input_takes_the_server_from_nobody() -> None:
    async with stage() as it:
        it.server.fault = EngineError("error", "failed")
        for _ in range(10):
            assert (await it.decide()).verdict.reasons[0].rule == "policy.error"
        it.server.fault = None
        assert (await it.decide()).verdict.outcome == "allow"
        assert it.changes == []


async def test_a_call_that_is_cancelled_says_nothing_about_the_server() -> None:
    async with stage() as it:
        it.server.hangs = asyncio.Event()
        for _ in range(LIMITS.failures + 1):
            waiting = asyncio.create_task(it.decide())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait({waiting})
        it.server.hangs = None
        assert (await it.decide()).verdict.outcome == "allow"


async def test_a_thousand_at_once_wait_for_their_turn_and_not_for_a_server_that_went_away_meanwhile() -> None:
    async with stage() as it:
        it.server.hangs = asyncio.Event()
        asked = [asyncio.create_task(it.decide()) for _ in range(1_000)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert it.server.decisions == AT_ONCE
        it.server.fault = EngineError("timeout", "late")
        it.server.hangs.set()
        rules = [(await task).verdict.reasons[0].rule for task in asked]
        assert (rules.count("policy.timeout"), rules.count("policy.unavailable")) == (AT_ONCE, 1_000 - AT_ONCE)
        assert it.server.decisions == AT_ONCE


async def test_what_one_engine_said_is_never_told_as_the_others() -> None:
    async with stage('verdict := {"outcome": "deny"} if input.subject.id', fallback=True) as it:
        assert (await it.decide()).engine == OPA
        it.server.fault = EngineError("unavailable", "gone")
        down = [await it.decide(subject={"id": "key_1"}) for _ in range(3)]
        await it.engine.look()
        down += [await it.decide() for _ in range(2)]
        assert [decision.engine for decision in down[-2:]] == [EMBEDDED, EMBEDDED]
        assert down[-1].memoised
        assert {decision.verdict.outcome for decision in down if decision.engine == EMBEDDED} == {"deny"}


async def test_an_input_that_cannot_be_given_goes_nowhere() -> None:
    async with stage('verdict := {"outcome": "allow"} if input.subject') as it:
        decision = await it.decide(subject={"id": float("nan")})
        assert (decision.verdict.reasons[0].rule, decision.engine) == ("policy.error", OPA)
        assert it.server.decisions == 0


class Reloading(PolicyDecider):
    """Goes from one policy to the next as a reload does."""

    def replace(self, policy: Policy) -> None:
        self._before, self._policy = self._policy, policy


def two() -> tuple[Policy, Policy]:
    old, new = bundle_of(f"{ALLOW} if input.subject.id", ALLOW), bundle_of(DENY, ALLOW)
    return policy_of(old), policy_of(type(new)(path=new.path, modules=new.modules, tests={}, data={}, revision="n" * 64))


async def test_the_server_may_get_a_new_revision_after_the_gateway_without_a_refusal() -> None:
    old, new = two()
    server = Server()
    engine = OpaEngine(server, Metrics(), fallback=False)
    decider = Reloading(policy=old, opa=engine)
    await engine.look()
    decider.replace(new)
    before = await decider.decide(Hook.INTENT, PARTS)
    assert (before.verdict.outcome, before.revision) == ("allow", old.revision)
    assert decider.decides_in_opa
    server.revisions, server.value = frozenset({new.revision}), {"outcome": "deny"}
    after = await decider.decide(Hook.INTENT, {**PARTS, "subject": {"id": "key_2"}})
    assert (after.verdict.outcome, after.revision) == ("deny", new.revision)


async def test_a_verdict_of_before_is_not_given_on_an_answer_that_has_left() -> None:
    reads = policy_of(bundle_of(ALLOW, 'verdict := {"outcome": "allow"} if input.answer.text != "no"'))
    old, new = reads, two()[1]
    engine = OpaEngine(Server(), Metrics(), fallback=False)
    decider = Reloading(policy=old, opa=engine)
    await engine.look()
    decider.replace(new)
    decision = await decider.decide(Hook.ANSWER, {"answer": {"finish_reason": "stop"}})
    assert (decision.verdict.outcome, decision.revision) == ("deny", new.revision)


async def test_started_it_looks_again_and_again_and_close_ends_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opa_engine, "LOOK_S", 0.01)
    server = Server(fault=EngineError("unavailable", "not there yet"))
    engine = OpaEngine(server, Metrics(), fallback=False)
    await engine.start()
    assert not engine.status.reachable
    assert engine.status.why == "not there yet"
    server.fault = None
    for _ in range(1_000):
        if engine.confirms(frozenset({REVISION})):
            break
        await asyncio.sleep(0.01)
    assert engine.confirms(frozenset({REVISION}))
    await engine.close()
    looked = len(server.asked)
    await asyncio.sleep(0.05)
    assert len(server.asked) == looked
