"""Embed: the last half of the path of a request for embeddings. Its texts went to the target redacted one way, and what comes back are numbers.

The answer policy is asked about it as about an answer that says nothing; its record says how many vectors of how many numbers there were, never which.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from gateway.capabilities.embeddings import Vectors, inputs_of, vectors_of
from gateway.domain import Destination, Json, State
from gateway.infrastructure.model_client import Reply
from gateway.pipeline.assemble import Question
from gateway.pipeline.attempt import OpenAttempt
from gateway.pipeline.attempts import Asking
from gateway.pipeline.close import close, denied, refuse
from gateway.pipeline.inspect import LARGE
from gateway.pipeline.intent import Allowed, Ending, Intent, Refused, Released, Screened, Standing
from gateway.pipeline.release import gateway_object
from gateway.pipeline.screen import Said, screen
from gateway.pipeline.services import Services
from gateway.settings import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """What a target made of the texts."""

    target: Target
    model: str
    """As the target names it."""
    vectors: Vectors


def ask_for_vectors(_intent: Intent, allowed: Allowed) -> Question:
    """What to ask: a value that is not revealed to the model is its type alone, as nothing can be restored from a vector."""
    return Question(shown=allowed.inspection.assemble_one_way(allowed.obligations))


async def embed(services: Services, intent: Intent, allowed: Allowed, asking: Asking, question: Question) -> Released | Refused:
    """The outcome of a request for embeddings.

    Raises:
        GatewayError: No target answered with a vector for each input.
    """

    async def work(attempt: OpenAttempt) -> Embedded:
        return await attempt.embed(lambda reply: _read(intent, attempt.target, reply))

    answer = await asking.first_answer(question, work, hedged=True)
    intent.answered_by = answer.target.name
    standing = Standing(author=answer.target.model, fallback=answer.target.name != intent.first_choice)
    intent.standings = (standing,)
    verdict = await screen(services, intent, allowed.plan, (), [Said(str, list, None, standing)])
    if not isinstance(verdict, Screened):
        return await refuse(services, intent, denied(verdict))
    redact, vectors = allowed.inspection.redact, answer.vectors
    body: Json = {
        "object": "list",
        "data": vectors.data,
        "model": redact(answer.model, verdict.obligations, Destination.CALLER),
        "usage": _usage(intent, answer.target),
    }
    recorded = {
        "model": redact(answer.model, verdict.obligations, Destination.RECORD),
        "vectors": len(vectors.data),
        "dimensions": vectors.dimensions,
    }
    whole = {**body, "gateway": gateway_object(intent, verdict.obligations, {})}
    await close(services, intent, Ending(state=State.COMPLETED, answer=recorded, released=body, body=whole))
    return Released(intent=intent, body=whole)


async def _read(intent: Intent, target: Target, reply: Reply) -> Embedded:
    """The vectors of an answer, taken apart in a thread where there are many."""

    def read() -> Vectors:
        asked = intent.call.body
        return vectors_of(reply.body, inputs=inputs_of(asked), encoded=asked.get("encoding_format") == "base64", target=target.name)

    vectors = read() if len(reply.raw) < LARGE else await asyncio.to_thread(read)
    model = reply.body.get("model")
    return Embedded(target=target, model=model if isinstance(model, str) else target.model, vectors=vectors)


def _usage(intent: Intent, target: Target) -> Json:
    """The tokens of the attempt that was answered, which clients expect to find."""
    usage = next((one.usage for one in reversed(intent.attempts) if one.target == target.name and one.usage is not None), None)
    tokens = 0 if usage is None else usage.input_tokens
    return {"prompt_tokens": tokens, "total_tokens": tokens}
