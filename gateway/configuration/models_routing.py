"""The shape of ``targets``, ``routes`` and ``confidence`` in ``config.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway.configuration.compiled_options import Assessment, BreakerLimits, ConfidenceWeights, Retries
from gateway.configuration.compiled_queues import WAIT_S
from gateway.configuration.forms import (
    Aliases,
    FoundCategories,
    LastResort,
    Name,
    Provider,
    Reference,
    Seconds,
    Shape,
    Text,
    Texts,
    UrlOrEnv,
    Usd,
    Weight,
    one_to_fifty,
    section,
)

_BREAKER, _RETRIES, _ASSESSMENT, _WEIGHTS = BreakerLimits(), Retries(), Assessment(), ConfidenceWeights()
ATTEMPTS = 6
DEADLINE_S = 600.0
"""The default of ``routes.NAME.attempts``: two targets with a retry each, and two calls for repairs."""

Tokens = Annotated[int, Field(ge=1, le=100_000_000)]


class TargetLimits(Shape):
    """How long, and how often at once, a target may be called."""

    connect_s: Seconds = Field(5.0, description="Seconds to connect.")
    first_token_s: Seconds = Field(60.0, description="Seconds from sending the request to the first byte of the answer.")
    total_s: Seconds = Field(600.0, description="Seconds for the whole call.")
    concurrent: int = Field(
        256, ge=1, le=100_000, description="Calls at once, of each gateway process; one more goes to the route's next target, or is refused with 429."
    )


class BreakerShape(Shape):
    """When a target is left alone for a while."""

    failures: int = Field(
        _BREAKER.failures, ge=1, le=10_000, description="Failures in a row, within the window, that open the breaker: nothing is sent to the target then."
    )
    window_s: Seconds = Field(_BREAKER.window_s, description="Seconds that a failure counts.")
    open_s: Seconds = Field(_BREAKER.open_s, description="Seconds until the target is probed again.")
    probes: int = Field(_BREAKER.probes, ge=1, le=100, description="Calls at once with which it is probed; one that succeeds closes the breaker.")


class PriceShape(Shape):
    """What a target's tokens cost."""

    input_usd_per_mtok: Usd = Field(description="US dollars for a million input tokens.")
    output_usd_per_mtok: Usd = Field(description="US dollars for a million output tokens.")


class TargetShape(Shape):
    """A model on a server, and how to ask it."""

    base_url: UrlOrEnv | None = Field(
        None, description="URL up to and including /v1, or env:NAME. Required unless the client is litellm, which knows its providers'."
    )
    model: Text = Field(description="The model to ask for, or env:NAME or env:NAME:-DEFAULT.")
    client: Literal["openai", "litellm"] = Field("openai", description="openai for a server that speaks OpenAI's API; litellm translates for other providers.")
    provider: Provider | None = Field(None, description="With client litellm, and required there: litellm's name of the provider, such as anthropic.")
    api_key: Reference | None = Field(None, description="Reference to the provider's API key. env:NAME:- means none while the variable is not set.")
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="The parameter in which this server takes a cap on tokens; a cap that policy sets is sent under this name alone."
    )
    context_tokens: Tokens | None = Field(
        None,
        description="Tokens of input and output together; without it looked up by `model` in litellm's table, and unlimited where that has none.",
    )
    optional: bool = Field(False, description="true leaves the target out of its routes, visibly, while an environment variable that it refers to is not set.")
    limits: TargetLimits = section(TargetLimits, "How long, and how often at once, the target may be called.")
    breaker: BreakerShape = section(BreakerShape, "When the target is left alone for a while because it failed.")
    price: PriceShape | None = Field(None, description="What its tokens cost; without it the price is looked up by `model` in litellm's table.")


class ConditionShape(Shape):
    """What has to hold for a target to be tried."""

    labels: Mapping[Text, Texts] = Field(default_factory=dict, description="By the name of a label, the values of which the intent must have one.")
    without: FoundCategories = Field((), description="Categories that must not be found in the request, such as US_SSN.")
    max_input_tokens: Tokens | None = Field(None, description="Most tokens of the request, as estimated.")
    max_cost_usd: Usd | None = Field(None, description="Most US dollars that the call may cost, as estimated from its tokens and its cap on output tokens.")
    min_remaining_s: Seconds | None = Field(None, description="Seconds that must be left of `deadline_s`.")


class RouteTargetShape(Shape):
    """A target of a route."""

    target: Name = Field(description="The name of the target.")
    tier: int | None = Field(None, ge=1, le=1_000, description="Lower tiers are tried first; without it the entry's place in the list: 1, 2 and so on.")
    weight: int = Field(1, ge=1, le=1_000_000, description="Within a tier the order is drawn, each target with a chance by its weight.")
    when: ConditionShape = section(ConditionShape, "What has to hold for this target to be tried; all of it.")


class RetriesShape(Shape):
    """Calls of the same target after a failure that may pass."""

    max: int = Field(_RETRIES.max, ge=0, le=20, description="Most calls of one target after its first, for failures that may pass.")
    backoff_s: Seconds = Field(_RETRIES.backoff_s, description="The wait before a retry is drawn between 0 and this many seconds; doubled with each retry.")
    backoff_max_s: Seconds = Field(_RETRIES.backoff_max_s, description="What the doubling ends at, in seconds.")
    retry_after_max_s: Seconds = Field(
        _RETRIES.retry_after_max_s, description="Longest Retry-After, in seconds, that is waited for; a target that asks for more is not retried."
    )


class RepairShape(Shape):
    """What is done about an answer that breaks its schema."""

    asks: int = Field(1, ge=0, le=20, description="How often a model is told where its answer breaks the schema and asked again; 0 for never.")
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = Field(
        None, description="The temperature to ask with; else as the caller has it."
    )
    target: Name | None = Field(None, description="The target to ask; else the one whose answer it was.")


class AssessmentShape(Shape):
    """How the confidence in an answer is found out."""

    samples: int = Field(_ASSESSMENT.samples, ge=1, le=20, description="Answers to compare; more than one multiplies the cost.")
    logprobs: bool = Field(_ASSESSMENT.logprobs, description="true asks the target for the probabilities of its tokens.")


class RouteShape(Shape):
    """A name that callers use as `model`."""

    target: Name | None = Field(
        None, description="The name of the target that serves this route: short for `targets` with it alone. One of the two is required."
    )
    targets: Annotated[tuple[RouteTargetShape, ...], AfterValidator(one_to_fifty)] | None = Field(
        None, description="The targets that serve this route; the next is tried where one fails."
    )
    aliases: Aliases = Field((), description="Other names that callers may use for it.")
    description: str = Field("", description="What it is for, for people.")
    attempts: int = Field(
        ATTEMPTS, ge=1, le=100, description="Most calls of targets for one intent: first calls, retries, fallbacks, repairs, samples and hedges together."
    )
    deadline_s: Seconds = Field(DEADLINE_S, description="Seconds for all of them together.")
    retries: RetriesShape = section(RetriesShape, "Calls of the same target after a failure that may pass.")
    hedge_after_s: Seconds | None = Field(None, description="Seconds without an answer after which the next target is asked beside; never, without it.")
    schema_name: Name | None = Field(None, alias="schema", description="The name of the schema, of `schemas`, that answers of this route have to meet.")
    repair: RepairShape = section(RepairShape, "What is done about an answer that breaks its schema.")
    confidence: AssessmentShape | None = Field(
        None, description="With this section, {} too, the confidence in answers is scored, for which streams are held back until they are whole."
    )
    wait_s: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = Field(
        WAIT_S,
        description="Seconds for which a caller waits for a person before it is told where to ask later; 0 for at once. X-Gateway-Wait sets another number.",
    )
    buffered: bool = Field(
        False, description="true holds streams back until the whole answer is judged: needed where policy gives answers of this route to people."
    )
    last_resort: LastResort = Field(
        None,
        description="The answer, marked as such, where no target gives one: text, or a mapping or list that is sent as JSON; it must meet the route's schema.",
    )


class ConfidenceWeightsShape(Shape):
    """How much each signal weighs; 0 leaves it out."""

    logprobs: Weight = Field(_WEIGHTS.logprobs, description="Weight of the probabilities of the answer's tokens.")
    agreement: Weight = Field(_WEIGHTS.agreement, description="Weight of the agreement of samples.")
    schema_validity: Weight = Field(_WEIGHTS.schema, alias="schema", description="Weight of whether the schema is met, and after how many repairs.")
    self_reported: Weight = Field(_WEIGHTS.self_reported, description="Weight of the confidence that the answer itself states, where its schema has it.")
    truncated: Weight = Field(_WEIGHTS.truncated, description="Weight of an answer that was cut off.")
    refusal: Weight = Field(_WEIGHTS.refusal, description="Weight of an answer that refuses.")
    fallback: Weight = Field(_WEIGHTS.fallback, description="Weight of an answer that is not the first target's.")
    tool_errors: Weight = Field(_WEIGHTS.tool_errors, description="Weight of failed tool calls in the request.")


class ConfidenceShape(Shape):
    """How the confidence in an answer is scored."""

    weights: ConfidenceWeightsShape = section(ConfidenceWeightsShape, "How much each signal weighs in the score; 0 leaves it out.")
