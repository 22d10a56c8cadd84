"""Assemble: the request as a target may see it. Only an allowed intent can be assembled."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import orjson

from gateway.domain import Destination, Json
from gateway.infrastructure.model_client import ModelRequest
from gateway.pipeline.intent import Allowed, Intent
from gateway.settings import Target

_TOKEN_LIMITS = ("max_completion_tokens", "max_tokens")
_OF_STREAMS = ("stream", "stream_options")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, redacted for models; each target gets it in its own form."""

    shown: Json
    """The caller's request as models may see it."""
    max_tokens: int | None = None
    """The cap to send, where policy demands one."""
    stream: bool = False
    more: tuple[Json, ...] = ()
    """Messages after the caller's own: those of a repair."""
    parameters: Json = field(default_factory=dict)
    """What is sent besides, or instead of, the caller's parameters."""

    def to(self, target: Target) -> ModelRequest:
        """The request for one target, serialised afresh so that what was judged is what is sent (no duplicate keys, no other encoding)."""
        body: Json = {**self.shown, **self.parameters, "model": target.model}
        if self.more:
            body["messages"] = [*body["messages"], *self.more]
        if self.max_tokens is not None:
            for name in _TOKEN_LIMITS:  # it may not know the other one, and some servers take a number below one for no limit
                body.pop(name, None)
            body[target.max_tokens_field] = self.max_tokens
        if self.stream:
            asked = body.get("stream_options")
            body["stream_options"] = {**(asked if isinstance(asked, dict) else {}), "include_usage": True}
        return ModelRequest(body, orjson.dumps(body))

    def again(self, *, answer: str, instruction: str, temperature: float | None) -> Question:
        """The same question with an answer that was not good enough, and what to mend in it."""
        more = ({"role": "assistant", "content": answer}, {"role": "user", "content": instruction})
        parameters = self.parameters if temperature is None else {**self.parameters, "temperature": temperature}
        return replace(self, more=more, parameters=parameters)


def assemble(intent: Intent, allowed: Allowed) -> Question:
    """What to ask: what is not revealed to the model is replaced by placeholders, ``max_tokens`` is lowered to the obligation, usage is always asked for.

    Where the route demands a schema or log probabilities that the caller did not ask for, the target is asked for them.
    """
    plan, limit, kept = allowed.plan, allowed.obligations.max_tokens, None
    shown = allowed.inspection.assemble(allowed.obligations, Destination.MODEL)
    if limit is not None:
        kept, is_lower = lowered(shown, limit)
        if is_lower:
            intent.notes["max_tokens"] = kept
    if intent.call.stream and intent.whole:
        shown = {name: value for name, value in shown.items() if name not in _OF_STREAMS}
    return Question(shown=shown, max_tokens=kept, stream=plan.stream_mode is not None, parameters=_demanded(allowed, shown))


def lowered(body: Json, limit: int) -> tuple[int, bool]:
    """The cap on tokens to send, and whether the caller asked for more, or for none."""
    asked = [value for name in _TOKEN_LIMITS if (value := body.get(name)) is not None]
    kept = [value for value in asked if type(value) is int and 0 < value <= limit]
    return min(kept, default=limit), not kept or len(kept) < len(asked)


def _demanded(allowed: Allowed, shown: Json) -> Json:
    plan = allowed.plan
    demanded: Json = {}
    asked = shown.get("response_format")
    kind = asked.get("type") if isinstance(asked, dict) else None
    schemas = plan.schemas[1:] if kind == "json_object" else plan.schemas
    if schemas and kind != "json_schema":  # less than a schema is no reason to keep it from the target
        schema = schemas[0].document
        demanded["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    if plan.route.assessment is not None and plan.route.assessment.logprobs and not shown.get("logprobs"):
        demanded["logprobs"] = True
    return demanded
