"""Tells the servers of queues of new tasks, as Standard Webhooks has it (https://www.standardwebhooks.com, "Webhook metadata", "Signature scheme").

What is still to be told is a row, written with the task. Each queue is served on its own, so that a server that is dead or slow is in nobody's way. A process
takes a row by raising its number of attempts, so that of several processes one sends; who dies then leaves the row to be sent again, under the same id.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import random
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeVar

import orjson

from gateway.capabilities.decision_log.events import timestamp
from gateway.capabilities.tasks.facts import task_facts
from gateway.capabilities.tasks.store import TaskStore, announce_later, announced
from gateway.domain_tasks import TaskState
from gateway.infrastructure.database_ledger import Effect, MoveRefused
from gateway.infrastructure.database_tasks import AnnouncementRow, TaskRow
from gateway.infrastructure.telemetry.logs import RateLimitedLog, get_logger
from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.infrastructure.webhook_client import WebhookClient, WebhookError
from gateway.settings import Queue, Webhook

TASK_OPENED: Final = "task.opened"
MOVED: Final = "moved"
"""The move of a task's history that brings it into another queue."""
AT_ONCE: Final = 4
"""Messages to one server at once."""
POLL_S: Final = 1.0
MAX_REST_S: Final = 60.0
"""For which a server that fails is left alone altogether; doubled up to it."""
FIRST_RETRY_S: Final = 20.0
"""Longer than a try can take, so that no other process begins one beside it."""
MAX_RETRY_S: Final = 3_600.0
MAX_ATTEMPTS: Final = 31
"""20 s, 40 s and so on up to an hour: the last try is 24 hours after the first."""

failing = RateLimitedLog("announcement.failing")
_log = get_logger()
T = TypeVar("T")


class Move(Protocol):
    """``RecordWriter.move``, for effects that leave no entry in the ledger."""

    def __call__(self, effect: Effect[T], /) -> asyncio.Future[T]:
        """The effect's result, when it is durable."""


def sign(webhook: Webhook, message_id: str, sent_s: int, body: bytes) -> str:
    """The value of ``webhook-signature``: HMAC-SHA256 over id, seconds since the epoch and body."""
    signed = b".".join((message_id.encode(), str(sent_s).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(webhook.secret.reveal(), signed, "sha256")).decode()


def retry_after_s(attempts: int, draw: Callable[[float, float], float] = random.uniform) -> float:
    """Seconds from the start of this many-th attempt to the next: doubled each time, and drawn within a quarter of it."""
    return min(MAX_RETRY_S, FIRST_RETRY_S * 2.0 ** min(attempts - 1, 16)) * draw(0.75, 1.25)


class Announcer:
    """One per process. It belongs to the event loop's thread."""

    def __init__(
        self, store: TaskStore, move: Move, queues: Mapping[str, Queue], client: WebhookClient, metrics: Metrics, clock: Callable[[], int] = time.time_ns
    ) -> None:
        """Nothing is read or sent yet. ``clock`` gives nanoseconds since the epoch."""
        self._store = store
        self._move = move
        self._webhooks = {name: queue.webhook for name, queue in queues.items() if queue.webhook is not None}
        self._client = client
        self._metrics = metrics
        self._clock = clock
        self._lanes: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to announce."""
        self._lanes = [asyncio.create_task(self._follow(queue), name=f"announcements of {queue}") for queue in self._webhooks]

    async def close(self) -> None:
        """Stop, and close the client. What was not announced is, when a gateway runs again."""
        for lane in self._lanes:
            lane.cancel()
        if self._lanes:
            await asyncio.wait(self._lanes)
        await self._client.close()
        failing.flush()

    async def step(self, queue: str) -> bool | None:
        """Announce what is due in a queue, a few at once. ``None`` if nothing was; else whether anything was taken.

        Raises:
            DatabaseError, RecordUnavailable: The database cannot be asked or written to now.
        """
        rows = await asyncio.to_thread(self._store.announcements, queue, self._clock(), AT_ONCE)
        if not rows:
            return None
        told = await asyncio.gather(*(self._announce(row) for row in rows), return_exceptions=True)
        for error in told:
            if isinstance(error, BaseException):
                raise error
        return any(told)

    async def _announce(self, row: AnnouncementRow) -> bool:
        """Whether nothing went wrong with this one."""
        task, opened_ns = await asyncio.to_thread(self._task, row)
        if task is None or task.state not in {TaskState.OPEN, TaskState.CLAIMED} or task.queue != row.queue:
            await self._move(announced(row.tenant, row.task_id, row.queue))  # nobody has to come for it any more
            return True
        attempts, now_ns = row.attempts + 1, self._clock()
        due_ns = now_ns + int(retry_after_s(attempts) * 1e9)
        try:
            await self._move(announce_later(row.tenant, row.task_id, row.queue, attempts=attempts, due_ns=due_ns, seen_attempts=row.attempts))
        except MoveRefused:
            return True  # another process has it
        try:
            await self._post(self._webhooks[row.queue], task, opened_ns, now_ns)
        except WebhookError as error:
            self._failed(row, error, last=attempts >= MAX_ATTEMPTS)
            if attempts < MAX_ATTEMPTS:
                return False
        await self._move(announced(row.tenant, row.task_id, row.queue))
        return True

    def _task(self, row: AnnouncementRow) -> tuple[TaskRow | None, int]:
        """The task, and when it came into its queue."""
        task = self._store.get(row.tenant, row.task_id)
        if task is None or not task.moved:
            return task, 0 if task is None else task.created_ns
        return task, max((move.at_ns for move in self._store.moves(row.tenant, row.task_id) if move.move == MOVED), default=task.created_ns)

    async def _post(self, webhook: Webhook, task: TaskRow, opened_ns: int, now_ns: int) -> None:
        body = orjson.dumps({"type": TASK_OPENED, "timestamp": timestamp(opened_ns), "data": task_facts(task, now_ns)})
        message_id, sent_s = f"msg_{task.id}_{task.moved}", now_ns // 1_000_000_000
        headers = {"webhook-id": message_id, "webhook-timestamp": str(sent_s), "webhook-signature": sign(webhook, message_id, sent_s, body)}
        await self._client.post(webhook.url, headers, body)

    def _failed(self, row: AnnouncementRow, error: WebhookError, *, last: bool) -> None:
        self._metrics.announcement_failed(row.queue, error.reason)
        failing.warning(error.message, queue=row.queue)
        if last:
            _log.warning("announcement.given_up", queue=row.queue, task=row.task_id, attempts=MAX_ATTEMPTS, reason=error.reason)

    async def _follow(self, queue: str) -> None:
        """Step after step; whatever one of them ends in, there is another one."""
        rest_s = POLL_S
        while True:
            step = asyncio.create_task(self.step(queue))
            try:
                await asyncio.wait({step})
            finally:
                if not step.done():
                    step.cancel()
                    await asyncio.wait({step})
            error = step.exception()
            if error is not None:
                failing.warning(type(error).__name__, queue=queue)
            if error is not None or step.result() is False:
                await asyncio.sleep(rest_s)
                rest_s = min(rest_s * 2, MAX_REST_S)
                continue
            rest_s = POLL_S
            await asyncio.sleep(0 if step.result() else POLL_S)
