from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.policy.backtest.enforcing import NOTHING, Means, refusal
from gateway.capabilities.policy.verdict import parse
from gateway.domain import Hook, Obligations, Verdict
from gateway.domain_tasks import ApprovalTerms, Mode
from gateway.testing import local_gateway
from tests.capabilities.policy.backtest.conftest import IMAGE as IMAGE_PART
from tests.pipeline.rego import intent_says, obliged

FACTS = {"route": "assistant", "surface": "chat", "unscanned": []}


def allowed(**obligations: Any) -> Verdict:
    return Verdict(outcome="allow", obligations=Obligations(**obligations))


IMAGE = {"unscanned": [{"where": "messages[0]", "kind": "image"}]}


@pytest.mark.parametrize(
    ("obligations", "facts", "rule"),
    [
        ({}, {}, None),
        ({}, IMAGE, "policy.unscanned"),
        ({"allow_unscanned": True}, IMAGE, None),
        ({"routes": ("assistant",)}, {}, None),
        ({"routes": ("assistant/simulated",)}, {}, None),
        ({"routes": ("other", "other/assistant")}, {}, "policy.route"),
        ({"routes": ()}, {}, "policy.route"),
        ({"allow_invalid": True}, {}, "policy.unsupported"),
        ({"require_schema": "known"}, {}, None),
        ({"require_schema": "unknown"}, {}, "policy.schema"),
        ({"require_schema": "known"}, {"surface": "embeddings"}, "policy.unsupported"),
    ],
)
def test_an_intent_is_refused_as_the_gateway_refuses_it(obligations: dict[str, Any], facts: dict[str, Any], rule: str | None) -> None:
    assert refusal(Hook.INTENT, allowed(**obligations), {**FACTS, **facts}, Means(schemas=frozenset({"known"}))) == rule


@pytest.mark.parametrize(
    "demanded",
    [{}, {"routes": ["other"]}, {"allow_invalid": True}, {"require_schema": "unknown"}, {"allow_unscanned": True}, {"routes": ["assistant"]}],
    ids=str,
)
async def test_the_gateway_does_the_same_live(tmp_path: Path, demanded: dict[str, Any]) -> None:
    async with local_gateway(tmp_path, policies=intent_says(obliged(**demanded))) as local:
        await local.chat({"model": "assistant", "messages": [{"role": "user", "content": IMAGE_PART}]})
        await local.ask("hello")
        entries = await local.entries()
    reasons = {entry["intent_id"]: entry["facts"]["reason"] for entry in entries if entry["kind"] == "closed"}
    for entry in entries:
        if entry["kind"] == "opened":
            assert reasons[entry["intent_id"]] == refusal(Hook.INTENT, parse(obliged(**demanded)), entry["facts"], NOTHING)


@pytest.mark.parametrize(
    ("obligations", "rule"),
    [({}, None), ({"allow_invalid": True}, None), ({"max_tokens": 5}, "policy.unsupported"), ({"routes": ("assistant",)}, "policy.unsupported")],
)
def test_an_answer_cannot_meet_what_only_an_intent_can(obligations: dict[str, Any], rule: str | None) -> None:
    assert refusal(Hook.ANSWER, allowed(**obligations), {**FACTS, **IMAGE}, NOTHING) == rule


@pytest.mark.parametrize(
    ("hook", "terms", "facts", "queues", "rule"),
    [
        (Hook.INTENT, None, {}, {"one"}, None),
        (Hook.INTENT, {}, {}, {"one"}, None),
        (Hook.INTENT, {}, {}, {"one", "two"}, "no queue"),
        (Hook.INTENT, {}, {}, {"one", "default"}, None),
        (Hook.INTENT, {"queue": "two"}, {}, {"one", "two"}, None),
        (Hook.INTENT, {"queue": "three"}, {}, {"one", "default"}, "no queue"),
        (Hook.ANSWER, {}, {}, set(), "no queue"),
        (Hook.INTENT, {"mode": Mode.ANSWER}, {}, {"one"}, None),
        (Hook.INTENT, {"mode": Mode.REVIEW}, {}, {"one"}, "policy.unsupported"),
        (Hook.ANSWER, {"mode": Mode.REVIEW}, {}, {"one"}, None),
        (Hook.ANSWER, {"mode": Mode.APPROVE}, {}, {"one"}, "policy.unsupported"),
        (Hook.INTENT, {"mode": Mode.ANSWER}, {"surface": "embeddings"}, {"one"}, "policy.unsupported"),
        (Hook.INTENT, {}, {"surface": "embeddings"}, {"one"}, None),
        (Hook.ANSWER, {}, {"surface": "embeddings"}, {"one"}, "policy.unsupported"),
        (Hook.INTENT, {"on_expiry": "release"}, {}, {"one"}, None),
        (Hook.INTENT, {"on_expiry": "queue:one"}, {}, {"one"}, None),
        (Hook.INTENT, {"on_expiry": "queue:two"}, {}, {"one"}, "policy.unsupported"),
    ],
)
def test_nobody_is_asked_where_nobody_can_be(hook: Hook, terms: dict[str, Any] | None, facts: dict[str, Any], queues: set[str], rule: str | None) -> None:
    obligations = Obligations(approval=None if terms is None else ApprovalTerms(**terms))
    verdict = Verdict(outcome="escalate", obligations=obligations)
    assert refusal(hook, verdict, {**FACTS, **facts}, Means(queues=frozenset(queues))) == rule
