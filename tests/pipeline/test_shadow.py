"""A whole gateway with a candidate beside its policy: callers notice nothing, metrics and records do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.policy.shadow import ShadowStatus
from gateway.testing import ALLOW_ALL, LocalGateway, local_gateway
from tests.pipeline.rego import policy

DENY: dict[str, Any] = {"outcome": "deny", "reasons": [{"rule": "candidate.no", "message": "not any more"}]}
QUOTES = (
    "package gateway.intent\n\nimport rego.v1\n\n"
    'verdict := {"outcome": "deny", "reasons": [{"rule": sprintf("no %v", [input.request.messages[0].content]), "message": "no"}]}\n'
)


@asynccontextmanager
async def with_candidate(folder: Path, candidate: Mapping[str, str], **options: Any) -> AsyncIterator[LocalGateway]:
    """A gateway that allows everything, with a candidate that has been loaded, or refused."""
    (folder / "candidate").mkdir()
    for name, text in {**ALLOW_ALL, **candidate}.items():
        (folder / "candidate" / name).write_text(text)
    async with local_gateway(folder, changes={"policy: {": "policy: {shadow: {path: candidate}, "}, **options) as local:
        shadow = local.gateway.services.shadow
        assert shadow is not None
        for _ in range(3_000):
            if shadow.status != ShadowStatus():
                break
            await asyncio.sleep(0.01)
        yield local


async def closed(local: LocalGateway) -> list[dict[str, Any]]:
    return [entry["facts"] for entry in await local.entries() if entry["kind"] == "closed"]


async def counts(local: LocalGateway) -> dict[str, float]:
    await asyncio.sleep(0.3)
    lines = local.gateway.services.metrics.render()[0].decode().splitlines()
    found = [line for line in lines if line.startswith(("gateway_shadow_decisions_total{", "gateway_shadow_skipped_total{"))]
    return {line.partition("{")[2].partition("}")[0]: float(line.rpartition(" ")[2]) for line in found}


async def test_a_candidate_that_would_refuse_changes_nothing_and_stands_on_the_record(tmp_path: Path) -> None:
    async with with_candidate(tmp_path, {"intent.rego": policy("intent", DENY)}) as local:
        assert [(await local.ask("hello")).status for _ in range(3)] == [200] * 3
        assert local.gateway.services.shadow is not None
        revision = local.gateway.services.shadow.status.revision
        told = [facts["shadow"] for facts in await closed(local) if "shadow" in facts]
        expected = {"hook": "intent", "difference": "new_deny", "revision": revision, "outcome": "deny", "rules": ["candidate.no"]}
        assert told[-1] == [expected]  # the first one may come too late for its record; the others are remembered
        assert await counts(local) == {'difference="new_deny",hook="intent"': 3, 'difference="none",hook="answer"': 3}


async def test_both_hooks_are_asked_and_what_agrees_leaves_no_trace_on_the_record(tmp_path: Path) -> None:
    async with with_candidate(tmp_path, {}) as local:
        assert (await local.ask("hello")).status == 200
        assert (await local.ask("hello", stream=True)).done
        assert all("shadow" not in facts for facts in await closed(local))
        assert await counts(local) == {'difference="none",hook="intent"': 2, 'difference="none",hook="answer"': 2}


@pytest.mark.parametrize("candidate", ["package gateway.intent\n\nverdict := ", "package gateway.intent\n\nimport rego.v1\n\nx := http.send({})\n"])
async def test_a_broken_candidate_touches_nothing(tmp_path: Path, candidate: str) -> None:
    async with with_candidate(tmp_path, {"intent.rego": candidate}) as local:
        assert (await local.ask("hello")).status == 200
        assert local.gateway.services.policy.status.error == ""
        assert await counts(local) == {'reason="not_loaded"': 2}


async def test_a_candidates_rule_that_quotes_content_is_redacted_on_the_record(tmp_path: Path) -> None:
    async with with_candidate(tmp_path, {"intent.rego": QUOTES}) as local:
        assert (await local.ask("write to jane@example.com")).status == 200
        shadow = local.gateway.services.shadow
        assert shadow is not None
        assert b"jane@example.com" not in repr(await local.entries()).encode()


async def test_without_a_candidate_there_is_nothing(tmp_path: Path) -> None:
    async with local_gateway(tmp_path) as local:
        assert (await local.ask("hello")).status == 200
        assert local.gateway.services.shadow is None
        assert await counts(local) == {}
