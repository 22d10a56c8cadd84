"""``/v1/tasks``: what waits for people, for those who decide it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from gateway.capabilities.tasks.facts import move_facts, task_facts
from gateway.domain import Json, Subject
from gateway.infrastructure.database_tasks import TaskRow
from gateway.pipeline import review, tasks
from gateway.pipeline.identify import identify_key
from gateway.pipeline.services import Services
from gateway.surfaces.http_request import RequestLimits, bearer_key, read_json
from gateway.surfaces.task_forms import decided, wanted

_Id = Annotated[str, Path(alias="id")]


def tasks_router(services: Services, limits: RequestLimits) -> APIRouter:
    """The endpoints over ``services``; a decision is read within ``limits``."""
    router = APIRouter(tags=["Tasks"])

    def reviewer(request: Request) -> Subject:
        return identify_key(services, bearer_key(request.scope))

    @router.get("/v1/tasks", summary="List the tasks that this key can see")
    async def list_tasks(request: Request) -> dict[str, Any]:
        """Those that are due first come first. Without `state`, what can still be decided."""
        found = await tasks.page(services, reviewer(request), wanted(request.query_params.multi_items()))
        now_ns, approvals = time.time_ns(), await tasks.given(services, found.items)
        return {"object": "list", "data": [task_facts(row, now_ns, approvals=approvals) for row in found.items], "cursor": found.cursor}

    @router.get("/v1/tasks/{id}", summary="Show a task with its context and history")
    async def show_task(id_: _Id, request: Request) -> dict[str, Any]:
        """The context is what policy reveals to people of the request and, where there is one, the draft."""
        return _told(await tasks.show(services, reviewer(request), id_))

    @router.post("/v1/tasks/{id}/claim", summary="Work on a task, so that nobody else decides it")
    async def claim_task(id_: _Id, request: Request) -> dict[str, Any]:
        """For as long as its queue says; claiming again extends it."""
        return await _facts(services, await tasks.claim(services, reviewer(request), id_))

    @router.post("/v1/tasks/{id}/release", summary="Let others decide a task that this key holds")
    async def release_task(id_: _Id, request: Request) -> dict[str, Any]:
        """Nothing is decided by it."""
        return await _facts(services, await tasks.release(services, reviewer(request), id_))

    @router.post("/v1/tasks/{id}/decide", summary="Decide a task")
    async def decide_task(id_: _Id, request: Request) -> dict[str, Any]:
        """What its mode allows: see `actions`. With `version` only if the task is as it was seen; a draft that several judge is accepted only so."""
        subject = reviewer(request)
        seen = await tasks.find(services, subject, id_)
        body, _ = await read_json(request.scope, request.receive, limits)
        # Whatever version they have seen: it is decided as it was found, in a queue that this person sees.
        return await _facts(services, await review.decide(services, subject, id_, replace(decided(body), found=seen.version)))

    @router.post("/v1/tasks/{id}/withdraw", summary="Take back one's approval of a task")
    async def withdraw_approval(id_: _Id, request: Request) -> dict[str, Any]:
        """While others still have to give theirs."""
        subject = reviewer(request)
        await tasks.find(services, subject, id_)
        return await _facts(services, await review.withdraw(services, subject, id_))

    return router


async def _facts(services: Services, row: TaskRow) -> Json:
    return task_facts(row, time.time_ns(), approvals=await tasks.given(services, [row]))


def _told(shown: tasks.Shown) -> Json:
    facts = task_facts(shown.row, time.time_ns(), approvals=shown.approvals)
    return facts | {"context": shown.context, "context_missing": shown.context_missing, "history": [move_facts(move) for move in shown.history]}
