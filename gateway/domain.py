"""The vocabulary of the gateway: small immutable types that every layer shares, and no behaviour beyond their own meaning.

Names are those of ``ARCHITECTURE.md``. Times are ``int`` nanoseconds since the Unix epoch where a field ends in ``_ns``, money is ``int``
micro-USD where it ends in ``_microusd``, digests are lower-case hexadecimal SHA-256 where it ends in ``_sha256``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from gateway.domain_tasks import ApprovalTerms

Json: TypeAlias = dict[str, Any]
"""A decoded JSON object."""


class Hook(StrEnum):
    """A place on the path of an intent where Rego is asked for a verdict."""

    INTENT = "intent"
    ANSWER = "answer"


class Destination(StrEnum):
    """Where content can go. A verdict's ``reveal`` grants categories to each of these separately."""

    MODEL = "model"
    CALLER = "caller"
    RECORD = "record"
    PERSON = "person"


class Origin(StrEnum):
    """Who brought a value into an intent."""

    CALLER = "caller"
    MODEL = "model"
    TOOL = "tool"
    PERSON = "person"


class State(StrEnum):
    """The states of an intent. Those without a move in ``MOVES`` are final."""

    RECEIVED = "received"
    RUNNING = "running"
    PARKED = "parked"
    """It waits for a person. No process, connection or span is held for it."""
    COMPLETED = "completed"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """Nobody decided in time."""
    INDETERMINATE = "indeterminate"
    """What may or may not have happened: whoever ran it is gone."""


_ENDS: Final = frozenset({State.COMPLETED, State.REFUSED, State.FAILED, State.CANCELLED})
MOVES: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        State.RECEIVED: _ENDS | {State.RUNNING, State.PARKED},
        State.RUNNING: _ENDS | {State.PARKED, State.INDETERMINATE},
        State.PARKED: frozenset({State.RUNNING, State.REFUSED, State.FAILED, State.CANCELLED, State.EXPIRED}),
        State.COMPLETED: frozenset(),
        State.REFUSED: frozenset(),
        State.FAILED: frozenset(),
        State.CANCELLED: frozenset(),
        State.EXPIRED: frozenset(),
        State.INDETERMINATE: frozenset(),
    }
)
"""Where an intent can go from each state; every move is a compare-and-set."""


class StreamMode(StrEnum):
    """How a streamed answer leaves: chunk by chunk as it comes, or after the whole was judged."""

    PASS = "pass"  # noqa: S105 - the name of a mode
    BUFFERED = "buffered"


class Purpose(StrEnum):
    """Why a target was called. Every call of an intent counts against its one attempt budget, whatever its purpose."""

    FIRST = "first"
    RETRY = "retry"
    """The same target again, after a failure that may pass."""
    FALLBACK = "fallback"
    """Another target, because those before it failed or gave no usable answer."""
    REPAIR = "repair"
    """The answer broke its schema, and the model is told where."""
    SAMPLE = "sample"
    """The same question once more, to see whether the answers agree."""
    HEDGE = "hedge"
    """Another target beside one that is slow."""


SECRET = "SECRET"  # noqa: S105 - the name of a category
"""The category of credentials. It is never granted to any destination and never reversible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who is calling, as the key says."""

    id: str
    kind: str
    tenant: str
    name: str = ""
    """What its operator calls the key. A person's name where it is a person's."""
    teams: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    """The routes that the key may use; ``("*",)`` is all of them."""


class Finding(NamedTuple):
    """A sensitive value in a text: ``text[start:end]``, offsets in code points."""

    category: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, order=True)
class FindingCount:
    """What policy and records learn of findings: how many, of what, where; never the value.

    ``where`` is a path without keys chosen by the caller, such as ``messages[2].content`` or ``metadata``.
    """

    category: str
    count: int
    where: str
    origin: Origin


class Unscanned(NamedTuple):
    """Content that nobody could scan: ``kind`` is ``image``, ``audio``, ``file`` or ``tokens``."""

    where: str
    kind: str


class Reason(NamedTuple):
    """Why a decision fell as it did: the rule's name and a sentence for the caller."""

    rule: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligations:
    """What a verdict demands besides its outcome. The defaults are the strictest."""

    reveal: Mapping[Destination, frozenset[str]] = field(default_factory=dict)
    """Categories granted to each destination; ``"*"`` grants all but ``SECRET``. What is not granted is redacted."""
    allow_unscanned: bool = False
    routes: tuple[str, ...] | None = None
    """What may serve this intent: ``ROUTE`` for all of a route's targets, ``ROUTE/TARGET`` for one of them; ``None`` leaves the choice as it is."""
    max_tokens: int | None = None
    require_schema: str | None = None
    """The name of a schema of the config that the answer has to meet, besides what the caller asked for."""
    allow_invalid: bool = False
    """Of an answer: whether one that breaks its schema may leave, marked as such."""
    retention_days: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    approval: ApprovalTerms | None = None
    """Of ``escalate`` only: who is to decide, and how."""

    def reveals(self, destination: Destination, category: str) -> bool:
        """Whether a value of ``category`` may be shown to ``destination``."""
        granted = self.reveal.get(destination)
        return granted is not None and category != SECRET and (category in granted or "*" in granted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What Rego said, strictly parsed: ``outcome`` is ``allow``, ``deny`` or ``escalate``."""

    outcome: str
    reasons: tuple[Reason, ...] = ()
    obligations: Obligations = field(default_factory=Obligations)


EMBEDDED: Final = "embedded"
OPA: Final = "opa"
ENGINES: Final = (EMBEDDED, OPA)
"""What can evaluate policy: the engine in this process, and an OPA server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A verdict with what it takes to explain and replay it."""

    hook: Hook
    verdict: Verdict
    revision: str
    """Revision of the policy bundle: SHA-256 over its files."""
    input: bytes
    """The projected input that was evaluated, as JSON."""
    memoised: bool
    duration_ns: int
    engine: str = EMBEDDED
    """Which engine decided, or had decided where the verdict was remembered."""


class Usage(NamedTuple):
    """Tokens of one attempt; ``estimated`` where the provider did not say and the gateway counted."""

    input_tokens: int
    output_tokens: int
    estimated: bool
    cached_tokens: int = 0
    """Of the input, what the provider had in its cache."""
    reasoning_tokens: int = 0
    """Of the output, what the caller does not see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call of a target, as it stands on the record."""

    target: str
    model: str
    purpose: Purpose = Purpose.FIRST
    started_ns: int
    ended_ns: int
    first_token_ns: int | None = None
    status: int | None = None
    """HTTP status of the upstream; ``None`` where none came."""
    usage: Usage | None = None
    cost_microusd: int | None = None
    finish_reason: str | None = None
    error: str | None = None
    """The code of the error that ended the attempt, such as ``upstream.timeout``; never the upstream's own words."""
