"""The one place where names of spans and attributes stand, and the attributes of each kind of span.

``gen_ai.*``, ``server.*``, ``http.*`` and ``error.type`` are those of the OpenTelemetry semantic conventions v1.41 (GenAI spans: "Inference").
They are literals because the installed constants are marked deprecated. What the conventions have no name for is ours, under ``gateway.``.

Values are ids, names of the configuration, codes and numbers. Content appears only in what ``content_attributes`` gives, and only if the
configuration asks for it; stop sequences, for one, are content and never recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from gateway.domain import Attempt, Decision, FindingCount
from gateway.infrastructure.telemetry.provider_names import provider_name
from gateway.infrastructure.telemetry.spans import AttributeValue

_ROUTES: Final[Mapping[str, str]] = {"chat": "/v1/chat/completions", "embeddings": "/v1/embeddings"}
"""The path of each surface."""
ROOT_CHAT: Final = f"POST {_ROUTES['chat']}"
"""The root span of a chat call, as the HTTP conventions name a server's span: method and route."""
ROOT_EMBEDDINGS: Final = f"POST {_ROUTES['embeddings']}"

ERROR_TYPE: Final = "error.type"
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
EMBEDDING_DIMENSIONS: Final = "gen_ai.embeddings.dimension.count"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
HTTP_REQUEST_METHOD: Final = "http.request.method"
HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"
HTTP_ROUTE: Final = "http.route"

INTENT_ID: Final = "gateway.intent.id"
INTENT_STATE: Final = "gateway.intent.state"
INTENT_STREAM_MODE: Final = "gateway.intent.stream_mode"
INTENT_TENANT: Final = "gateway.tenant"
INTENT_SUBJECT: Final = "gateway.subject"
INTENT_ROUTE: Final = "gateway.route"
INTENT_SURFACE: Final = "gateway.surface"
TASK_ID: Final = "gateway.task.id"
TASK_QUEUE: Final = "gateway.task.queue"
TASK_MODE: Final = "gateway.task.mode"
HOLDS: Final = "gateway.holds"
ATTEMPTS: Final = "gateway.attempts"
FALLBACK: Final = "gateway.fallback"
CONFIDENCE: Final = "gateway.confidence"
SCHEMA_VALID: Final = "gateway.schema_valid"
REPAIRS: Final = "gateway.repairs"
TARGET: Final = "gateway.target"
ATTEMPT_PURPOSE: Final = "gateway.attempt.purpose"
COST_MICROUSD: Final = "gateway.cost_microusd"
USAGE_ESTIMATED: Final = "gateway.usage_estimated"
CONFIG_REVISION: Final = "gateway.config.revision"
POLICY_HOOK: Final = "gateway.policy.hook"
POLICY_OUTCOME: Final = "gateway.policy.outcome"
POLICY_REVISION: Final = "gateway.policy.revision"
POLICY_RULES: Final = "gateway.policy.rules"
POLICY_MEMOISED: Final = "gateway.policy.memoised"
POLICY_ENGINE: Final = "gateway.policy.engine"
FINDINGS: Final = "gateway.findings"
FINDING_CATEGORIES: Final = "gateway.finding_categories"
CONTENT_TRUNCATED: Final = "gateway.content_truncated"

CHAT: Final = "chat"
"""``gen_ai.operation.name`` of a chat call."""
EMBEDDINGS: Final = "embeddings"
"""The same of a call for embeddings."""
CONTENT_LIMIT: Final = 16_384
"""Characters of content per attribute, so that what waits for a dead collector stays small."""
_ERROR_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_UPSTREAM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}")

# The request's parameters that the conventions name, with the types that they may have. A bool is no number here.
_REQUEST_NUMBERS: Final = (
    ("max_tokens", "gen_ai.request.max_tokens"),
    ("max_completion_tokens", "gen_ai.request.max_tokens"),
    ("temperature", "gen_ai.request.temperature"),
    ("top_p", "gen_ai.request.top_p"),
    ("frequency_penalty", "gen_ai.request.frequency_penalty"),
    ("presence_penalty", "gen_ai.request.presence_penalty"),
    ("seed", "gen_ai.request.seed"),
    ("n", "gen_ai.request.choice.count"),
    ("dimensions", EMBEDDING_DIMENSIONS),
)
_FINISH_REASONS: Final = frozenset({"stop", "length", "tool_calls", "function_call", "content_filter"})
"""Those of OpenAI's API; what else an upstream says is content."""
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def error_code(error: str) -> str:
    """``error`` if it has the form of a code, else ``unknown``: an exception's message, which may quote content, never becomes a status."""
    return error if _ERROR_CODE.fullmatch(error) else "unknown"


def root_name(surface: str) -> str:
    """The name of the root span of a call on ``surface``: ``chat`` or ``embeddings``."""
    return f"POST {_ROUTES[surface]}"


def step_name(step: str) -> str:
    """The INTERNAL span of a step of an intent's path, such as ``inspect``."""
    return f"gateway.{step}"


class IntentFacts(NamedTuple):
    """What the root span tells of an intent; what is not known yet stays ``None``."""

    intent_id: str | None = None
    tenant: str | None = None
    subject: str | None = None
    route: str | None = None
    surface: str = "chat"
    state: str | None = None
    stream_mode: str | None = None
    status: int | None = None
    """The HTTP status that the caller got."""
    target: str | None = None
    """The one that answered, or was asked last."""
    cost_microusd: int | None = None
    """Of all attempts together."""
    policy_revision: str | None = None
    config_revision: str | None = None
    attempts: int | None = None
    """How many calls of targets there were, whatever for."""
    fallback: bool | None = None
    """Whether another target than the first of the route answered."""
    confidence: float | None = None
    """In [0, 1]; ``None`` where the answer was not assessed."""
    schema_valid: bool | None = None
    """``None`` where no schema was asked for."""
    repairs: int | None = None
    """How often the model was asked again because its answer broke the schema."""
    task: str | None = None
    """The id of the last task that it waited for; this, ``queue``, ``mode`` and ``holds`` only of an intent that policy held."""
    queue: str | None = None
    mode: str | None = None
    holds: int | None = None
    """How often policy has wanted a person to decide, so far."""


def root_attributes(facts: IntentFacts) -> dict[str, AttributeValue]:
    """The attributes of the SERVER span of an intent, or of one of its segments."""
    return {
        HTTP_REQUEST_METHOD: "POST",
        HTTP_ROUTE: _ROUTES.get(facts.surface),
        HTTP_RESPONSE_STATUS_CODE: facts.status,
        INTENT_ID: facts.intent_id,
        INTENT_TENANT: facts.tenant,
        INTENT_SUBJECT: facts.subject,
        INTENT_ROUTE: facts.route,
        INTENT_SURFACE: facts.surface,
        INTENT_STATE: facts.state,
        INTENT_STREAM_MODE: facts.stream_mode,
        TARGET: facts.target,
        COST_MICROUSD: facts.cost_microusd,
        ATTEMPTS: facts.attempts,
        FALLBACK: facts.fallback,
        CONFIDENCE: facts.confidence,
        SCHEMA_VALID: facts.schema_valid,
        REPAIRS: facts.repairs,
        TASK_ID: facts.task,
        TASK_QUEUE: facts.queue,
        TASK_MODE: facts.mode,
        HOLDS: facts.holds,
        POLICY_REVISION: facts.policy_revision,
        CONFIG_REVISION: facts.config_revision,
    }


def decision_attributes(decision: Decision) -> dict[str, AttributeValue]:
    """The attributes of a ``gateway.decide`` or ``gateway.screen`` span."""
    verdict = decision.verdict
    return {
        POLICY_HOOK: decision.hook.value,
        POLICY_OUTCOME: verdict.outcome,
        POLICY_REVISION: decision.revision,
        POLICY_MEMOISED: decision.memoised,
        POLICY_ENGINE: decision.engine,
        POLICY_RULES: [reason.rule for reason in verdict.reasons] or None,
    }


def findings_attributes(findings: Iterable[FindingCount]) -> dict[str, AttributeValue]:
    """The attributes of a ``gateway.inspect`` span: how many values were found, of which categories."""
    total = 0
    categories: set[str] = set()
    for finding in findings:
        total += finding.count
        categories.add(finding.category)
    return {FINDINGS: total, FINDING_CATEGORIES: sorted(categories) or None}


class ChatSpan:
    """The CLIENT span of calls to one target; made once per target, and operation, when the configuration compiles."""

    __slots__ = ("_fixed", "name", "operation", "provider")

    def __init__(self, target: str, model: str, base_url: str | None, *, provider: str | None = None, operation: str = CHAT) -> None:
        """Spans of ``operation`` (``CHAT`` or ``EMBEDDINGS``) of ``target``.

        Args:
            target: Its name in the config.
            model: The model that it is asked for.
            base_url: Where it is; ``None`` where litellm knows that itself: then the span has no address.
            provider: litellm's name of the provider; ``None`` for an OpenAI-compatible server.
            operation: What is asked of it.
        """
        self.name = f"{operation} {model}"
        """The span's name: operation and model, as the conventions want it."""
        self.operation = operation
        self.provider = provider_name(provider)
        """``gen_ai.provider.name``."""
        parts = urlsplit(base_url or "")
        self._fixed: dict[str, AttributeValue] = {
            OPERATION_NAME: operation,
            PROVIDER_NAME: self.provider,
            REQUEST_MODEL: model,
            SERVER_ADDRESS: parts.hostname,
            SERVER_PORT: parts.port or _DEFAULT_PORTS.get(parts.scheme),
            TARGET: target,
        }

    def attributes(
        self,
        params: Mapping[str, Any],
        attempt: Attempt,
        response_id: str | None = None,
        response_model: str | None = None,
        content: Mapping[str, AttributeValue] | None = None,
    ) -> dict[str, AttributeValue]:
        """The span's attributes.

        Args:
            params: The request as sent; only its numbers and ``stream`` are read.
            attempt: How the call went.
            response_id: The answer's ``id``, screened like everything that a model brings.
            response_model: The answer's ``model``, screened too.
            content: From ``content.content_attributes``; ``None`` unless the configuration asks for content.
        """
        attributes = self._fixed.copy()
        attributes[ATTEMPT_PURPOSE] = attempt.purpose.value
        for name, attribute in _REQUEST_NUMBERS:
            value = params.get(name)
            if type(value) is int or type(value) is float:
                attributes[attribute] = value
        if params.get("stream") is True:
            attributes[REQUEST_STREAM] = True
        _answer(attributes, attempt)
        attributes[RESPONSE_ID] = _upstream_name(response_id)
        attributes[RESPONSE_MODEL] = _upstream_name(response_model)
        if content is not None:
            attributes.update(content)
        return attributes


def _upstream_name(name: str | None) -> str | None:
    """An upstream's name for something, if it has the form of one: what else it may have put there is content."""
    return name if name is not None and _UPSTREAM_NAME.fullmatch(name) else None


def _answer(attributes: dict[str, AttributeValue], attempt: Attempt) -> None:
    if attempt.finish_reason in _FINISH_REASONS:
        attributes[RESPONSE_FINISH_REASONS] = (attempt.finish_reason,)
    if attempt.first_token_ns is not None:
        attributes[RESPONSE_TIME_TO_FIRST_CHUNK] = (attempt.first_token_ns - attempt.started_ns) / 1e9
    if attempt.usage is not None:
        attributes[USAGE_INPUT_TOKENS] = attempt.usage.input_tokens
        attributes[USAGE_OUTPUT_TOKENS] = attempt.usage.output_tokens
        attributes[USAGE_ESTIMATED] = attempt.usage.estimated
    attributes[COST_MICROUSD] = attempt.cost_microusd
    attributes[HTTP_RESPONSE_STATUS_CODE] = attempt.status
