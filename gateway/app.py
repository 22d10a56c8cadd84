"""The composition root: everything is built once here, wired, started in order and stopped in reverse."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

import uvicorn

from gateway.app_people import Looking, attended, looking, people
from gateway.app_policy import decision_log, policy, shadow
from gateway.capabilities.decision_log.follower import Follower
from gateway.capabilities.keys import KeyRing
from gateway.capabilities.offers import meters_for, windows_for
from gateway.capabilities.policy.decider import PolicyDecider
from gateway.capabilities.records.signing import SigningKey
from gateway.capabilities.records.store import RecordStore
from gateway.capabilities.records.writer import RecordWriter
from gateway.capabilities.redaction.tenants import redactor_for
from gateway.capabilities.routing.breakers import Breakers
from gateway.capabilities.routing.selecting import with_windows
from gateway.capabilities.routing_check import problems_of
from gateway.capabilities.schemas.registry import Schemas
from gateway.infrastructure.database import Database
from gateway.infrastructure.model_client import ModelClient, TargetOptions
from gateway.infrastructure.model_litellm import LitellmClient
from gateway.infrastructure.model_openai import OpenAIClient
from gateway.infrastructure.telemetry.logs import configure_logging, get_logger
from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.infrastructure.telemetry.semconv import CHAT, EMBEDDINGS, ChatSpan
from gateway.infrastructure.telemetry.tracing import Protocol, TraceOptions, Tracer
from gateway.pipeline.close import unavailable
from gateway.pipeline.identify import rejected
from gateway.pipeline.open import DAY_NS
from gateway.pipeline.services import Limits, Model, Services
from gateway.settings import Settings, SettingsError, Target
from gateway.surfaces.application import build_application, intent_endpoints
from gateway.surfaces.front import Front
from gateway.surfaces.http_protocol import bounded
from gateway.surfaces.http_request import RequestLimits

VERSION = version("execution-gateway")
log = get_logger()


class ListenError(Exception):
    """The gateway cannot listen where the config says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway, built and not yet started."""

    services: Services
    front: Front
    database: Database
    decision_log: Follower | None
    """Hands decisions over in OPA's format, where the config says to whom."""
    looking: Looking
    """Looks after intents that wait for people."""


def build(settings: Settings) -> Gateway:
    """Everything that ``settings`` describes, wired. Nothing is opened, connected or started yet.

    Raises:
        ScanOptionsError: A tenant's redaction options do not compile.
        SettingsError: A schema, a last resort or a condition of a route cannot be used.
    """
    problems = problems_of(settings)
    if problems:
        raise SettingsError(problems)
    metrics = Metrics(VERSION)
    database = Database(settings.database, durability=settings.records.durability)
    services = _services(settings, database, metrics)
    for name in settings.targets:
        metrics.breaker(name, "closed")
    limits = RequestLimits(
        body_bytes=settings.server.limits.body_bytes, header_bytes=settings.server.limits.header_bytes, json_depth=settings.server.limits.json_depth
    )

    application = build_application(services, VERSION, RecordStore(database), limits, trace_link=settings.telemetry.traces.link)
    front = Front(intent_endpoints(services, limits), application, limits, metrics)
    return Gateway(
        services=services,
        database=database,
        front=front,
        decision_log=decision_log(settings, database, services.policy, metrics),
        looking=looking(settings, services),
    )


def _services(settings: Settings, database: Database, metrics: Metrics) -> Services:
    """What every intent runs on."""
    traces = settings.telemetry.traces
    windows, schemas = windows_for(settings.targets), Schemas()
    routes = {name: with_windows(route, windows) for name, route in settings.routes.items()}
    records = RecordWriter(
        database,
        heads=settings.records.heads,
        key=SigningKey(settings.keys.record_signing.reveal()),
        durability=settings.records.durability,
        gather_s=settings.records.gather_ms / 1000,
        metrics=metrics,
    )
    waiting = people(settings, database, records, metrics)
    return Services(
        keys=KeyRing(database, settings.keys.api_key_hash.reveal()),
        limits=Limits(in_flight=settings.server.limits.in_flight),
        routes={called: routes[route.name] for called, route in settings.routes_by_name.items()},
        models=models(settings.targets),
        breakers=Breakers({name: target.breaker for name, target in settings.targets.items()}, time.monotonic, metrics.breaker),
        schemas=schemas,
        named_schemas={name: schemas.compile(named.schema) for name, named in settings.schemas.items()},
        weights=settings.confidence,
        redactors={name: redactor_for(tenant, settings.redaction.memo_entries) for name, tenant in settings.tenants.items()},
        policy=policy(settings, metrics),
        shadow=shadow(settings, metrics),
        records=records,
        tracer=Tracer(TraceOptions(service_version=VERSION, endpoint=traces.endpoint, protocol=Protocol(traces.protocol)), metrics),
        metrics=metrics,
        config_version=settings.digest,
        code_version=VERSION,
        retention_ns=settings.records.retention_days * DAY_NS,
        capture_content=traces.capture_content,
        queues=settings.queues,
        intents=waiting.intents,
        tasks=waiting.tasks,
        payload_keys=waiting.payload_keys,
        waiting=waiting.waiting,
        background=waiting.background,
        lately=waiting.lately,
        keep_ns=waiting.keep_ns,
        join_ns=waiting.join_ns,
        longest_wait_ns=waiting.longest_wait_ns,
        keep_alive_s=settings.waiting.keep_alive_s,
    )


def models(targets: Mapping[str, Target]) -> dict[str, Model]:
    """A client, prices and span names for each target."""
    meters, made = meters_for(targets), {}
    for name, target in targets.items():
        span, embeddings = (ChatSpan(name, target.model, target.base_url, provider=target.provider, operation=operation) for operation in (CHAT, EMBEDDINGS))
        made[name] = Model(client=client_of(target), costs=meters[name], span=span, embeddings_span=embeddings)
    return made


def client_of(target: Target) -> ModelClient:
    """The client that speaks the target's language."""
    options = TargetOptions(
        name=target.name,
        base_url=target.base_url,
        model=target.model,
        api_key=None if target.api_key is None else target.api_key.text(),
        connect_s=target.limits.connect_s,
        first_token_s=target.limits.first_token_s,
        total_s=target.limits.total_s,
        concurrent=target.limits.concurrent,
    )
    if target.provider is not None:
        return LitellmClient(options, target.provider, version=VERSION)
    return OpenAIClient(options, version=VERSION)


@asynccontextmanager
async def running(gateway: Gateway) -> AsyncIterator[None]:
    """Start what a gateway's services stand on, in order; stop it in reverse, whatever happened.

    Raises:
        DatabaseError: The database cannot be used, or another process serves it.
        RecordUnavailable: Records cannot be written.
        PolicyError: The policy must not go live.
        ProviderError: litellm does not know a target's provider.
    """
    services, database = gateway.services, gateway.database
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, services.tracer.close)
        stack.callback(rejected.flush)
        stack.callback(unavailable.flush)
        database.claim()
        stack.callback(database.release)
        # The policy's trial is a process of its own: it runs while the database opens.
        policy = asyncio.ensure_future(services.policy.start())
        stack.push_async_callback(_stop, policy, services.policy)
        await asyncio.to_thread(database.prepare)
        await services.records.start()
        stack.push_async_callback(services.records.close)
        services.keys.start()
        stack.callback(services.keys.close)
        for model in services.models.values():
            await model.client.start()
            stack.push_async_callback(model.client.close)
        await policy
        services.metrics.policy_loaded(services.policy.revision)
        if services.shadow is not None:
            services.shadow.start()
            stack.push_async_callback(services.shadow.close)
        if gateway.decision_log is not None:
            gateway.decision_log.start()
            stack.push_async_callback(gateway.decision_log.close)
        await stack.enter_async_context(attended(services, gateway.looking))
        # What start-up made lives as long as the process: keep the collector from walking it again and again.
        gc.collect()
        gc.freeze()
        # Nearly all that a call makes is freed by counting: with the default of 700 objects the collector costs a call 7 % of its CPU.
        gc.set_threshold(50_000, 20, 50)
        yield


async def _stop(start: asyncio.Future[None], policy: PolicyDecider) -> None:
    start.cancel()
    await asyncio.wait({start})
    if not start.cancelled():
        start.exception()
    await policy.close()


class Server(uvicorn.Server):
    """uvicorn, with the gateway's start before it listens and its stop after the last answer."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway
        self._running = AsyncExitStack()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the gateway, then listen."""
        services = self._gateway.services
        await self._running.enter_async_context(running(self._gateway))
        try:
            await super().startup(sockets)
        except SystemExit:  # uvicorn's way to say that it cannot listen
            await self._running.aclose()
            raise ListenError(f"server.listen: {self.config.host}:{self.config.port} is taken, or is no address of this machine") from None
        # Whatever it was goes on as it is; what was started stops first.
        except BaseException:
            await self._running.aclose()
            raise
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        address = f"{host}:{port}"
        log.info("server.ready", address=address, policy=services.policy.revision, recovered=services.records.recovered)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new intents, tell those who wait for people where they stand, finish what runs, then stop."""
        self._gateway.services.limits.draining = True
        self._gateway.services.waiting.close()
        log.info("server.draining")
        await super().shutdown(sockets)
        await self._running.aclose()
        log.info("server.stopped")


def serve(settings: Settings) -> None:
    """Serve until a signal says stop.

    Raises:
        DatabaseError, RecordUnavailable, PolicyError, ScanOptionsError: It cannot start; see ``running`` and ``build``.
        ListenError: The address is taken, or is none of this machine.
    """
    configure_logging(settings.telemetry.logs.format, settings.telemetry.logs.level)
    for part in settings.left_out:
        log.info("config.left_out", part=part.where, why=part.why)
    gateway = build(settings)
    listen, limits = settings.server.listen, settings.server.limits
    config = uvicorn.Config(
        gateway.front,
        host=listen.host,
        port=listen.port,
        loop="uvloop",
        http=bounded(head_bytes=limits.header_bytes, body_bytes=limits.body_bytes),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(settings.server.shutdown_s)),
        timeout_keep_alive=65,
    )
    Server(config, gateway).run()
