"""Draft: go on from an answer that a person has accepted, edited or written. It is verified and judged as any other."""

from __future__ import annotations

import orjson

from gateway.domain import Json, Origin
from gateway.errors import InvalidRequest
from gateway.pipeline.facts import attempt_of, repair_of
from gateway.pipeline.intent import Allowed, Intent, Standing
from gateway.pipeline.parked import Draft
from gateway.pipeline.people import origin_of
from gateway.pipeline.verify import Answer, Checkable, Given, verify


async def take_up(intent: Intent, allowed: Allowed, draft: Draft) -> Answer:
    """The draft as an answer of the intent, inspected and checked anew, with what was known of it before."""
    inspection = allowed.inspection
    inspection.recall_placeholders()
    inspection.redactions = dict(draft.redactions)
    answer = await checked(allowed, draft)
    intent.attempts = [attempt_of(facts) for facts in draft.attempts]
    intent.repairs = [repair_of(facts) for facts in draft.repairs]
    intent.answered_by = draft.answered_by
    intent.notes |= draft.notes
    intent.schema_failures = answer.failures
    intent.standings = tuple(_standing(known, answer, at) for at, known in enumerate(draft.standings))
    intent.step("verify")
    return answer


async def checked(allowed: Checkable, draft: Draft) -> Answer:
    """The draft, inspected for sensitive values and checked against the intent's schemas."""
    return await verify(allowed, None, Given(draft.body, None, len(orjson.dumps(draft.body))), origin=origin_of(draft))


def edited(allowed: Checkable, draft: Draft, contents: list[str]) -> Json:
    """The draft's body with what a person wrote in its place, and with what is hidden from people put back where they left it.

    A value that is known by the words around it could be shown to everybody by leaving it among others: then it is not taken.

    Raises:
        InvalidRequest: What would be put back would not be found where it stands.
    """
    inspect, as_json = allowed.inspection.inspect_answer, bool(allowed.plan.schemas)
    judged = inspect(draft.body, json=as_json, origin=origin_of(draft))
    body = written(draft.body, [judged.put_back(text) for text in contents])
    if not judged.left_in(contents) <= inspect(body, json=as_json, origin=Origin.PERSON).found():
        said = "a placeholder stands where its value would not be recognised any more, and would be shown; leave it among the words that it came with, or out"
        raise InvalidRequest(said, param="content", code="placeholder_misplaced")
    return body


def written(body: Json, contents: list[str]) -> Json:
    """An answer with other contents, one for each choice: what a person wrote takes the place of what the model said and wanted to call."""
    changed = []
    for choice, content in zip(body["choices"], contents, strict=True):
        changed.append(
            {"index": choice["index"], "message": {"role": "assistant", "content": content, "refusal": None}, "logprobs": None, "finish_reason": "stop"}
        )
    return {**body, "choices": changed}


def person_standing(author: str) -> Standing:
    """What is known of an answer that a person wrote. No score says how far it can be trusted."""
    return Standing(author=author, person=True)


def _standing(known: object, answer: Answer, at: int) -> Standing:
    if not isinstance(known, dict):
        raise TypeError("a standing is kept as an object")
    check = answer.checks[at] if answer.checks else None
    return Standing(**known)._replace(schema_valid=None if check is None else not check.failures)
