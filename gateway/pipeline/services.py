"""What the steps of the path may use: built once by ``gateway.app``, the same for every intent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.capabilities.costs import CostMeter
from gateway.capabilities.intents import IntentStore
from gateway.capabilities.keys import KeyRing
from gateway.capabilities.payloads import PayloadKeys
from gateway.capabilities.policy.decider import PolicyDecider
from gateway.capabilities.policy.shadow import Shadow
from gateway.capabilities.records.writer import RecordWriter
from gateway.capabilities.redaction.redactor import Redactor
from gateway.capabilities.routing.breakers import Breakers
from gateway.capabilities.routing.selecting import Settled
from gateway.capabilities.schemas.answer_schema import AnswerSchema
from gateway.capabilities.schemas.registry import Schemas
from gateway.capabilities.tasks.store import TaskStore
from gateway.domain import Subject, Verdict
from gateway.infrastructure.model_client import ModelClient
from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.infrastructure.telemetry.semconv import ChatSpan
from gateway.infrastructure.telemetry.tracing import Tracer
from gateway.pipeline.background import Background
from gateway.pipeline.lately import Lately
from gateway.pipeline.waiting import Waiting
from gateway.settings import ConfidenceWeights, Queue, Route


@dataclass(slots=True, kw_only=True)
class Limits:
    """How much the gateway takes on at once."""

    in_flight: int
    running: int = 0
    draining: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A target that is a model: its client and what its tokens cost."""

    client: ModelClient
    costs: CostMeter
    span: ChatSpan
    embeddings_span: ChatSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The composition that every intent runs on."""

    keys: KeyRing
    limits: Limits
    routes: Mapping[str, Route]
    """By name and by alias."""
    models: Mapping[str, Model]
    """By target name."""
    breakers: Breakers
    schemas: Schemas
    named_schemas: Mapping[str, AnswerSchema]
    """Those of the config, for routes and for what policy demands."""
    weights: ConfidenceWeights
    redactors: Mapping[str, Redactor]
    """By tenant name."""
    policy: PolicyDecider
    records: RecordWriter
    tracer: Tracer
    metrics: Metrics
    config_version: str
    code_version: str
    retention_ns: int
    """How long a record keeps its content unless policy says otherwise."""
    intents: IntentStore
    """Those that wait, or came with an idempotency key."""
    tasks: TaskStore
    payload_keys: PayloadKeys
    queues: Mapping[str, Queue]
    """Of people, by name."""
    waiting: Waiting
    background: Background
    lately: Lately
    keep_ns: int
    """How long what came of an intent can be fetched."""
    join_ns: int
    """How long the same call joins one that is under way."""
    longest_wait_ns: int
    """Beyond a task's expiry, how long what its intent needs is kept: for all queues that the task may move to."""
    shadow: Shadow | None = None
    """The candidate policy that is asked beside the live one; ``None`` where there is none."""
    capture_content: bool = False
    keep_alive_s: float = 15.0
    spoken: dict[tuple[str, int], Verdict] = field(default_factory=dict)
    """Verdicts from the memo whose words were found to hold no value, by tenant and identity."""
    orders: dict[str, Settled | None] = field(default_factory=dict)
    """By route: the order of its targets, where that does not depend on the request."""
    subjects: dict[Subject, Mapping[str, object]] = field(default_factory=dict)
    """Each subject as policy sees it; bounded by the number of keys."""
