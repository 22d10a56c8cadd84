from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.policy.backtest.enforcing import refusal
from gateway.capabilities.policy.verdict import parse
from gateway.domain import Hook, Obligations
from gateway.testing import local_gateway
from tests.capabilities.policy.backtest.conftest import IMAGE as IMAGE_PART
from tests.pipeline.rego import intent_says, obliged

FACTS = {"route": "assistant", "surface": "chat", "unscanned": []}
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
    assert refusal(Hook.INTENT, Obligations(**obligations), {**FACTS, **facts}, frozenset({"known"})) == rule


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
            assert reasons[entry["intent_id"]] == refusal(Hook.INTENT, parse(obliged(**demanded)).obligations, entry["facts"], frozenset())


@pytest.mark.parametrize(
    ("obligations", "rule"),
    [({}, None), ({"allow_invalid": True}, None), ({"max_tokens": 5}, "policy.unsupported"), ({"routes": ("assistant",)}, "policy.unsupported")],
)
def test_an_answer_cannot_meet_what_only_an_intent_can(obligations: dict[str, Any], rule: str | None) -> None:
    assert refusal(Hook.ANSWER, Obligations(**obligations), {**FACTS, **IMAGE}, frozenset()) == rule
