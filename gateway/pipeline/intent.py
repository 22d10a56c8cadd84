"""What travels along the path: the intent with its working state, and the types that make the order of the steps a fact.

Only ``Allowed`` can be assembled and sent; only ``Released`` and ``ReleasedStream`` carry content out of the pipeline, and both are made after the
record is durable (a stream's generator waits for it before the first chunk and before the finish).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from gateway.capabilities.policy.shadow_worker import Shadowed
from gateway.capabilities.redaction.request import Inspection
from gateway.capabilities.routing.course import Course
from gateway.capabilities.routing.selecting import Considered
from gateway.capabilities.schemas.answer_schema import AnswerSchema
from gateway.capabilities.schemas.model import Failure
from gateway.domain import Attempt, Decision, FindingCount, Json, Obligations, Reason, State, StreamMode, Subject
from gateway.domain_tasks import Approval
from gateway.errors import GatewayError
from gateway.infrastructure.database_intents import IntentRow
from gateway.infrastructure.telemetry.semconv import EMBEDDINGS, step_name
from gateway.infrastructure.telemetry.spans import AttributeValue
from gateway.infrastructure.telemetry.tracing import Trace
from gateway.pipeline.parked import Resumption
from gateway.settings import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a surface received, parsed and within limits, from nobody known yet."""

    surface: str
    key: str
    body: Json
    size: int
    """Of the body as it came, in bytes."""
    stream: bool
    traceparent: str | None
    received_ns: int
    idempotency_key: str | None = None
    """With it the call is made once, however often it is sent."""
    wait_s: float | None = None
    """How long the caller waits for a person; ``None`` leaves it to the route."""

    @property
    def embeds(self) -> bool:
        """Whether texts are to become vectors: then there is nothing that a model says."""
        return self.surface == EMBEDDINGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where the intent goes and how its answer comes back."""

    route: Route
    stream_mode: StreamMode | None
    """``None`` where the caller did not ask for a stream."""
    schemas: tuple[AnswerSchema, ...] = ()
    """What the answer's content has to meet, all of them: what the caller asked for, then what the route or the policy demands."""


class Standing(NamedTuple):
    """What the gateway itself knows of one choice of an answer, besides what it says."""

    author: str
    """The model that wrote it; ``last_resort`` for the route's fixed answer."""
    schema_valid: bool | None = None
    """``None`` where nothing was to be met."""
    repairs: int = 0
    fallback: bool = False
    """Whether another target than the first choice, or the last resort, gave it."""
    confidence: float | None = None
    """In [0, 1]; ``None`` where the route does not assess or there is no signal."""
    signals: Mapping[str, Any] = MappingProxyType({})
    last_resort: bool = False
    person: bool = False
    """Whether a person wrote it, whose key ``author`` names."""


class Repair(NamedTuple):
    """Something that was done because an answer broke its schema."""

    kind: str
    """``extracted``: the JSON stood among other text and was taken out of it, without a call. ``asked``: the model was asked again. ``replaced``: another
    target was asked afresh."""
    target: str
    """Whose answer it was."""
    failures: tuple[Failure, ...] = ()
    """Where it broke the schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an intent ended: what its record says and what the caller got."""

    state: State
    reason: str | None = None
    http_status: int = 200
    answer: Any = None
    """The answer redacted for the record."""
    released: Any = None
    """What the caller gets; only its digest is kept."""
    redactions: dict[str, int] | None = None
    body: Json | None = None
    """All that the caller gets, where it may fetch it later."""
    error: GatewayError | None = None
    more: Json = field(default_factory=dict)
    """Further facts for the record."""


_STRICTEST = Obligations()


@dataclass(slots=True, kw_only=True)
class Intent:
    """One intent on its way. Steps add to it; nothing but ``close`` ends it."""

    id: str
    call: Call
    subject: Subject
    trace: Trace
    clock_ns: int
    """When the last step ended: the next one's beginning."""
    plan: Plan | None = None
    inspection: Inspection | None = None
    finding_facts: list[Json] | None = None
    """What was found in the request as plain JSON, once anybody asked."""
    row: IntentRow | None = None
    """What the database has of an intent that was parked, or is to be made only once; ``None`` for all others."""
    resumed: Resumption | None = None
    """What it goes on from, if it was parked."""
    approvals: tuple[Approval, ...] = ()
    """Of people, for this very call."""
    parking: bool = False
    """Whether it is being parked: then it does not end here, whatever its caller does."""
    decisions: list[Decision] = field(default_factory=list)
    on_record: int = 0
    """How many of the decisions are."""
    decided: Decision | None = None
    """The decision on the intent that holds."""
    shadowed: list[Shadowed] = field(default_factory=list)
    """What a candidate policy was asked beside the live one."""
    attempts: list[Attempt] = field(default_factory=list)
    course: Course | None = None
    """The targets that may be called, and how often yet."""
    order: tuple[Considered, ...] = ()
    """The route's targets as they were considered, in the order in which they are tried."""
    answered_by: str | None = None
    """The target whose answer was kept; ``last_resort`` for the route's fixed answer."""
    repairs: list[Repair] = field(default_factory=list)
    standings: tuple[Standing, ...] = ()
    """Of the choices of the answer that was kept, once there is one."""
    schema_failures: tuple[Failure, ...] = ()
    """Where that answer breaks its schema."""
    answer_findings: tuple[FindingCount, ...] = ()
    opened: asyncio.Future[None] | None = None
    """Done when the record's first entry is durable."""
    closed: asyncio.Future[None] | None = None
    """Done when its last entry is; there is one, whatever happens meanwhile."""
    ending: Ending | None = None
    obligations: Obligations = _STRICTEST
    expires_ns: int = 0
    chat_attributes: dict[str, AttributeValue] | None = None
    """Of the attempt's span; content is added at the end where the config asks for it."""
    bare: bool = False
    """Whether the record is to hold no content, because a crash may have come from making it."""
    ended: bool = False
    """Whether its trace was closed."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What the caller is told in the ``gateway`` object besides the standard facts, such as a lowered ``max_tokens``."""
    steps: list[tuple[str, int]] = field(default_factory=list)
    """Name and duration of each step in nanoseconds."""

    @property
    def whole(self) -> bool:
        """Whether its answer is kept for who fetches it later: then it is never passed on piece by piece."""
        return self.call.idempotency_key is not None or self.resumed is not None

    @property
    def cost_microusd(self) -> int | None:
        """What all attempts cost; ``None`` where no price is known."""
        costs = [attempt.cost_microusd for attempt in self.attempts if attempt.cost_microusd is not None]
        return sum(costs) if costs else None

    @property
    def schema_valid(self) -> bool | None:
        """Whether all choices meet what they had to; ``None`` where there was nothing to meet, or is no answer."""
        if self.plan is None or not self.plan.schemas:
            return None
        valid = [standing.schema_valid for standing in self.standings if standing.schema_valid is not None]
        return all(valid) if valid else None

    @property
    def confidence(self) -> float | None:
        """That of the choice that is trusted least; ``None`` where none has one."""
        if self.plan is None or self.plan.route.assessment is None:
            return None
        return min((standing.confidence for standing in self.standings if standing.confidence is not None), default=None)

    @property
    def fallback(self) -> bool:
        """Whether another target than the first choice, or the last resort, gave the answer."""
        return bool(self.standings) and self.standings[0].fallback

    @property
    def first_choice(self) -> str | None:
        """The target that was to be called before all others."""
        for one in self.order:
            if one.skipped is None and not one.repair_only:
                return one.target.name
        return None

    @property
    def target(self) -> str | None:
        """The target whose answer it is; before there is one, the one that was called last or would be called first."""
        if self.answered_by is not None:
            return self.answered_by
        if self.attempts:
            return self.attempts[-1].target
        return None if self.plan is None else self.plan.route.first.name

    def broke(self, error: str) -> None:
        """Close the step that was under way when an error ended the intent. An attempt has closed itself."""
        step = _NEXT.get(self.steps[-1][0])
        if step is not None:
            self.step(step, error=error)

    def step(self, name: str, attributes: Mapping[str, AttributeValue] | None = None, *, error: str | None = None, until_ns: int | None = None) -> None:
        """Close the step that ends now, or at ``until_ns``: a span of the trace and a timing on the record."""
        now = until_ns or time.time_ns()
        self.trace.add(step_name(name), self.clock_ns, now, attributes, error)
        self.steps.append((name, now - self.clock_ns))
        self.clock_ns = now


_NEXT = {"admit": "resolve", "resolve": "inspect", "inspect": "decide", "decide": "assemble", "assemble": "open"}
"""Which step is under way once another has ended."""


def new_intent_id(now_ns: int) -> str:
    """An id that sorts by time and cannot be guessed: ``int_`` + milliseconds (12 hex digits) + 64 random bits."""
    return f"int_{now_ns // 1_000_000:012x}{secrets.token_hex(8)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Policy lets the intent go, under its obligations, on this plan and with what was found in it."""

    plan: Plan
    inspection: Inspection
    decision: Decision
    obligations: Obligations


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """Policy lets the answer go, under its obligations."""

    decision: Decision
    obligations: Obligations


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """Policy refuses, or could not be asked."""

    decision: Decision
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A complete answer that may leave: its record is durable. What was asked for as a stream comes whole where it is kept."""

    intent: Intent
    body: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedStream:
    """A streamed answer: ``first`` and then ``rest``, server-sent events ready to be written. Whoever has it closes ``rest``."""

    intent: Intent
    first: bytes
    rest: AsyncGenerator[bytes, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No answer leaves; ``error`` says why and the record, durable, says it too."""

    intent: Intent
    error: GatewayError
