"""Gateways whose policy leaves things to people, and people who decide at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.domain_tasks import Action, TaskState
from gateway.infrastructure.database_tasks import TaskRow
from gateway.pipeline.deciding import Decided
from gateway.pipeline.review import decide
from gateway.testing import ALLOW_ALL, LocalGateway, Routing, local_gateway

_HELD = '{{"outcome": "escalate", "reasons": [{{"rule": "ask_a_person", "message": "a person decides"}}], "obligations": {{"approval": {{"mode": "{mode}"}}}}}}'


def held(hook: str = "intent", mode: str = "approve") -> dict[str, str]:
    """Files where nothing goes on at ``hook`` until a person has decided; what is found is hidden from everybody."""
    allow = ALLOW_ALL[f"{hook}.rego"].replace("verdict :=", "allow :=")
    verdict = f"default verdict := {_HELD.format(mode=mode)}\n\nverdict := allow if count(input.approvals) > 0\n"
    return {**ALLOW_ALL, f"{hook}.rego": f"{allow}\n{verdict}"}


@asynccontextmanager
async def holding(
    folder: Path, policies: dict[str, str] | None = None, *, keep_alive_s: float = 0.1, wait_s: float = 30.0, buffered: bool = False
) -> AsyncIterator[LocalGateway]:
    """A gateway whose policy holds every intent, or as ``policies`` say; keep-alives come fast."""
    routing = Routing(
        assistant=f"{{target: simulated, aliases: [gpt-4o-mini], retries: {{max: 0}}, wait_s: {wait_s}, buffered: {str(buffered).lower()}}}",
        waiting=f"{{sweep_s: 0.1, poll_s: 0.05, keep_alive_s: {keep_alive_s}}}",
    )
    async with local_gateway(folder, policies=policies or held(), routing=routing) as local:
        yield local


async def task_of(local: LocalGateway, tenant: str = "acme") -> TaskRow:
    """The oldest open task, once there is one."""
    store, until = local.gateway.services.tasks, time.monotonic() + 10
    while time.monotonic() < until:
        page = await asyncio.to_thread(lambda: store.page(tenant, states=[TaskState.OPEN], queues=None, due_before_ns=None, cursor=None, limit=10))
        if page.items:
            return page.items[0]
        await asyncio.sleep(0.01)
    raise AssertionError("no task was opened")


async def settled(local: LocalGateway) -> None:
    """Once nothing runs beside the calls: what is noted of them is noted."""
    await local.gateway.services.background.close(10)


async def decided(local: LocalGateway, action: Action = Action.ACCEPT, **more: Any) -> TaskRow:
    """A person's decision about the open task."""
    services = local.gateway.services
    person = services.keys.identify(local.key(roles=("reviewer",)))
    return await decide(services, person, (await task_of(local)).id, Decided(action=action, **more))
