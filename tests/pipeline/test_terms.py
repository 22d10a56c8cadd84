"""What a task asks is sealed when people are asked, and whatever of it differs later is noticed; what becomes of the task is not part of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Conflict
from gateway.infrastructure.database_tasks import TaskRow
from gateway.pipeline.kept import TERMS, draft_of, opened_payload
from gateway.pipeline.terms import check_terms, is_as_asked, with_terms
from tests.surfaces.held import held, holding, task_of

CHANGES: dict[str, Any] = {
    "id": "tsk_other",
    "intent_id": "int_other",
    "queue": "other",
    "mode": "answer",
    "hook": "intent",
    "requester": "other",
    "requester_name": "other",
    "expires_ns": 1,
    "on_expiry": "release",
    "min_approvers": 7,
    "distinct_from": '["requester"]',
    "policy_revision": "other",
    "hold_sha256": "0" * 64,
}
LATER: dict[str, Any] = {
    "state": "claimed",
    "version": 9,
    "due_ns": 1,
    "claimed_by": "somebody",
    "claimed_name": "Somebody",
    "claimed_until_ns": 1,
    "outcome": "accept",
    "moved": 1,
    "confidence": 0.5,
    "signals": "{}",
    "reasons": "[]",
    "route": "other",
    "created_ns": 1,
    "scope_sha256": "0" * 64,
    "tenant": "acme",
}


async def test_every_term_that_differs_is_noticed_and_nothing_else(tmp_path: Path) -> None:
    async with holding(tmp_path, held("answer", "review")) as local:
        await local.chat({"model": "assistant", "messages": [{"role": "user", "content": "hello"}]}, headers={"x-gateway-wait": "0"})
        task = await task_of(local)
        services = local.gateway.services
        loaded = services.intents.load("acme", task.intent_id)
        assert loaded is not None
        draft = draft_of(services, loaded)
        assert is_as_asked(services, loaded, task, draft)
        assert CHANGES.keys() | LATER.keys() == set(TaskRow._fields)
        assert not [name for name, value in CHANGES.items() if is_as_asked(services, loaded, task._replace(**{name: value}), draft)]
        assert [name for name, value in LATER.items() if not is_as_asked(services, loaded, task._replace(**{name: value}), draft)] == []
        assert not is_as_asked(services, loaded, task, None)
        assert not is_as_asked(services, loaded, None, draft)
        assert not is_as_asked(services, loaded._replace(payloads={}), task, draft)


async def test_a_task_that_asks_otherwise_can_only_be_refused_until_that_is_sealed(tmp_path: Path) -> None:
    async with holding(tmp_path) as local:
        await local.chat({"model": "assistant", "messages": [{"role": "user", "content": "hello"}]}, headers={"x-gateway-wait": "0"})
        task = await task_of(local)
        services = local.gateway.services
        loaded = services.intents.load("acme", task.intent_id)
        assert loaded is not None
        moved = task._replace(on_expiry="release")
        with pytest.raises(Conflict, match="can only be refused") as refused:
            check_terms(services, loaded, moved, None)
        assert refused.value.reason_code == "task_forged"
        sealed = with_terms(services, loaded, moved, None)
        after = loaded._replace(payloads={**loaded.payloads, "context": sealed})
        check_terms(services, after, moved, None)
        kept, before = opened_payload(services.payload_keys, sealed), opened_payload(services.payload_keys, loaded.payloads["context"])
        assert kept.pop(TERMS) != before.pop(TERMS)
        assert kept == before
