"""The part of the composition that waits for people: what is kept of parked intents, who waits for them, who looks after them, and who is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from gateway.capabilities.intents import IntentStore
from gateway.capabilities.payloads import PayloadKeys
from gateway.capabilities.records.writer import RecordWriter
from gateway.capabilities.tasks.announcing import Announcer
from gateway.capabilities.tasks.store import TaskStore
from gateway.infrastructure.database import Database
from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.infrastructure.webhook_client import WebhookClient
from gateway.pipeline.background import Background
from gateway.pipeline.kept import SECOND_NS, outcome_of
from gateway.pipeline.lately import Lately
from gateway.pipeline.resume import unreadable
from gateway.pipeline.services import Services
from gateway.pipeline.sweeper import Sweeper, failing
from gateway.pipeline.waiting import Waiting
from gateway.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """What every intent's services need for those that wait."""

    intents: IntentStore
    tasks: TaskStore
    payload_keys: PayloadKeys
    waiting: Waiting
    background: Background
    lately: Lately
    keep_ns: int
    join_ns: int
    longest_wait_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """What runs beside the intents."""

    sweeper: Sweeper
    announcer: Announcer
    shutdown_s: float


def people(settings: Settings, database: Database, records: RecordWriter, metrics: Metrics) -> People:
    """Stores and keys. Nothing is opened yet."""
    keys = PayloadKeys({name: [secret.reveal() for secret in tenant.payload_keys] for name, tenant in settings.tenants.items() if tenant.payload_keys})
    intents, waiting = IntentStore(database), settings.waiting
    return People(
        intents=intents,
        tasks=TaskStore(database),
        payload_keys=keys,
        waiting=Waiting(intents, records, metrics, partial(outcome_of, keys), poll_s=waiting.poll_s),
        background=Background(),
        lately=Lately(join_s=waiting.join_s),
        keep_ns=round(waiting.keep_s * SECOND_NS),
        join_ns=round(waiting.join_s * SECOND_NS),
        # A task can move through every queue once, as their expiries never go round.
        longest_wait_ns=round((sum(queue.expires_s for queue in settings.queues.values()) + waiting.keep_s) * SECOND_NS),
    )


def looking(settings: Settings, services: Services) -> Looking:
    """The sweeper and the announcer over ``services``."""
    announcer = Announcer(services.tasks, services.records.move, services.queues, WebhookClient(), services.metrics)
    return Looking(sweeper=Sweeper(services, sweep_s=settings.waiting.sweep_s), announcer=announcer, shutdown_s=settings.server.shutdown_s)


@asynccontextmanager
async def attended(services: Services, looking: Looking) -> AsyncIterator[None]:
    """Look after those that wait while the block runs; then bring to an end what goes on in the background."""
    async with AsyncExitStack() as stack:
        stack.callback(failing.flush)
        stack.callback(unreadable.flush)
        stack.push_async_callback(services.background.close, looking.shutdown_s)
        stack.callback(services.waiting.close)
        looking.sweeper.start()
        stack.push_async_callback(looking.sweeper.close)
        looking.announcer.start()
        stack.push_async_callback(looking.announcer.close)
        yield
