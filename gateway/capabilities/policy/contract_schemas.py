"""JSON Schemas of ``gateway.input/v1``: the input of every hook, and the verdict. ``gateway/contract/`` has them as files, for editors and for OPA.

The lint asks these about every path that a rule refers to. They say what the pipeline really gives, not what it may give one day.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from gateway.capabilities.policy import verdict as bounds
from gateway.capabilities.policy.contract import SCHEMA
from gateway.capabilities.policy.contract_forms import Schema, document, flag, many, number, one_of, or_null, section, table, text, texts, whole
from gateway.domain import Destination, Hook, Origin
from gateway.domain_tasks import EXPIRY, QUEUE_PREFIX, REFUSE, RELEASE, Action, Mode

FILES: Final[Mapping[str, str]] = {hook.value: f"{hook.value}.json" for hook in Hook} | {"verdict": "verdict.json"}
"""The files of ``gateway/contract/`` by the name under which OPA knows them: ``schema.intent``."""

OF_ONE_HOOK: Final[Mapping[str, Hook]] = {
    **dict.fromkeys(("allow_unscanned", "routes", "max_tokens", "require_schema", "retention_days"), Hook.INTENT),
    "allow_invalid": Hook.ANSWER,
}
"""The obligations that one hook alone can demand."""

_ANYTHING: Final[Schema] = {}


@cache
def input_schema(hook: Hook) -> Schema:
    """The input of one hook."""
    fields = {"schema": one_of([SCHEMA], "The version of the contract."), "hook": one_of([hook], "The place on the path of an intent.")}
    fields |= {"subject": _subject(), "intent": _intent()}
    fields |= _asked() if hook is Hook.INTENT else _answered()
    return document(
        f"{SCHEMA}/{hook.value}", f"{SCHEMA}, hook {hook.value}", section(fields | _common(), f"What data.gateway.{hook.value}.verdict is asked about.")
    )


@cache
def verdict_schema() -> Schema:
    """What a verdict may say; the limits are those of its parser."""
    fields = {
        "outcome": one_of(bounds.OUTCOMES, "allow lets the intent or its answer go; deny refuses; escalate leaves it to a person."),
        "reasons": many(_reason(), "Why, for the caller and the record; never with content in it.", maxItems=bounds.MAX_REASONS),
        "obligations": section(_obligations(), "What has to be met besides; what is missing is at its strictest."),
    }
    return document("gateway.verdict/v1", "The verdict of every hook", section(fields, "What Rego decides.", required=["outcome"]))


def schemas() -> Mapping[str, Schema]:
    """Every schema by its name in ``FILES``."""
    return {hook.value: input_schema(hook) for hook in Hook} | {"verdict": verdict_schema()}


def _subject() -> Schema:
    fields = {
        "id": text("The id of the key."),
        "kind": one_of(["key", "user", "agent"], "What is calling."),
        "tenant": text("The tenant of the key."),
        "teams": texts("Its teams."),
        "roles": texts("Its roles."),
        "on_behalf_of": or_null(text("For whom it acts; null while keys act for themselves.")),
    }
    return section(fields, "Who is calling, as the key says.")


def _intent() -> Schema:
    fields = {
        "id": text("The id of the intent, and of its record."),
        "parent_id": or_null(text("The intent that this one is a part of.")),
        "root_id": text("The first intent of the chain; the intent itself where it has no parent."),
        "depth": whole("How many intents stand above it.", minimum=0),
        "surface": one_of(["chat", "responses", "messages", "embeddings", "intents", "mcp"], "What the caller speaks."),
        "name": or_null(text("What the intent is called, where a surface names it.")),
        "labels": table({"type": "string"}, "What the caller labelled it with."),
        "idempotency_key": or_null(text("The key under which the caller may repeat it.")),
    }
    return section(fields, "The intent itself.")


def _asked() -> dict[str, Schema]:
    message = section({"role": {"type": "string"}, "content": _ANYTHING}, "A message as it came.", others=_ANYTHING)
    tool = section(
        {"type": {"type": "string"}, "function": section({"name": {"type": "string"}}, "The function.", others=_ANYTHING)}, "A tool.", others=_ANYTHING
    )
    unscanned = section({"where": text("A path."), "kind": one_of(["image", "audio", "file", "tokens"], "What it is.")}, "Content that nobody could scan.")
    request = {
        "route": text("The route that is asked for, without aliases."),
        "stream": flag("Whether the answer is to be streamed."),
        "params": table(_ANYTHING, "Every other parameter of the request, by name."),
        "messages": many(message, "The messages; of embeddings, each text as one."),
        "tools": many(tool, "The tools that the model is offered."),
        "tokens_estimate": whole("About how many tokens the request has.", minimum=0),
        "cost_estimate_microusd": or_null(whole("About what its input costs at the route's first target, in micro-USD; null where the price is unknown.")),
        "unscanned": many(unscanned, "Content that nobody could scan, such as images."),
    }
    return {"request": section(request, "What is asked for.")}


def _answered() -> dict[str, Schema]:
    """What the answer hook is told besides."""
    signals = {
        "logprobs": number("Mean probability of the tokens."),
        "agreement": number("Share of the samples that agree."),
        "schema_valid": flag("Whether the answer met its schema."),
        "repairs": whole("How often it was mended."),
        "self_reported": number("What the model said of its own confidence."),
        "truncated": flag("Whether it was cut off at the token limit."),
        "refusal": flag("Whether the model refused."),
        "fallback": flag("Whether another target than the first answered."),
        "tool_errors": whole("Tool calls that are not of the tools or their schemas."),
    }
    answer = {
        "source": one_of(["model", "gateway", "person"], "model, gateway for the route's last resort, person where one answered or edited the draft."),
        "author": text("The model, last_resort, or the id of the person's key."),
        "text": text("All that the caller could read in a choice: its content, then whatever else the message says, each on a line of its own."),
        "finish_reason": or_null(text("Why the model stopped.")),
        "tool_calls": many(table(_ANYTHING, "A tool call."), "The tool calls, legacy function calls among them."),
        "schema_valid": or_null(flag("Whether the answer meets its schema; null where none was asked for.")),
        "repairs": whole("How often the answer had to be mended.", minimum=0),
        "fallback": flag("Whether another target than the first choice, or the last resort, answered."),
        "confidence": or_null(number("The score; null without a signal, or where the route does not assess.", minimum=0, maximum=1)),
        "signals": section(signals, "The signals that there are."),
    }
    obligations = {
        "reveal": _reveal(),
        "max_tokens": or_null(whole("The cap that it set.")),
        "labels": table({"type": "string"}, "The labels that it gave."),
    }
    decided = {
        "outcome": one_of(["allow", "deny"], "How the intent was decided."),
        "reasons": many(_reason(), "Its reasons."),
        "obligations": section(obligations, "Its obligations."),
    }
    return {
        "request": section({"route": text("The route."), "stream": flag("Whether the answer is streamed.")}, "What was asked for."),
        "answer": section(answer, "One choice of the answer."),
        "intent_verdict": section(decided, "The verdict on the intent."),
    }


def _common() -> dict[str, Schema]:
    finding = {
        "category": text("Such as EMAIL_ADDRESS."),
        "count": whole("How many.", minimum=1),
        "where": text("A path such as messages[2].content."),
        "origin": one_of(Origin, "Who brought it in."),
    }
    return {
        "findings": many(section(finding, "A finding."), "What is sensitive: what, how many and where, never a value."),
        "approvals": many(
            section(_approval(), "An approval."), "What people have decided in favour of this very call, and still holds; empty before anybody was asked."
        ),
        "versions": section({"config": text("Digest of the config."), "policy": text("Revision of the policy.")}, "What was in force."),
        "time": text("Now, RFC 3339 in UTC.", format="date-time"),
        "trace_id": text("The trace, 32 hexadecimal digits."),
        "attempt": whole("Calls of targets so far.", minimum=0),
    }


def _approval() -> dict[str, Schema]:
    """One decision of a person, as policy sees it; ``capabilities.approvals`` makes it."""
    return {
        "id": text("The id of the approval."),
        "hook": one_of(Hook, "Whose escalation it answers."),
        "by": text(f"The id of the person's key; {EXPIRY} where nobody decided in time and policy had said that it goes on then."),
        "name": text("The person's name."),
        "roles": texts("The person's roles when deciding."),
        "teams": texts("The person's teams when deciding."),
        "mode": one_of(Mode, "What the person was asked to do."),
        "action": one_of([action for action in Action if action is not Action.REFUSE], "What the person decided."),
        "at": text("When, RFC 3339 in UTC."),
        "scope_sha256": text("Digest of the call and, where a draft was judged, of that draft."),
        "policy_revision": text("Revision of the policy that asked for it."),
        "expires_at": text("Until when it holds, RFC 3339 in UTC."),
    }


def _terms() -> dict[str, Schema]:
    """``obligations.approval``."""
    name = {"type": "string", "minLength": 1, "maxLength": bounds.MAX_LABEL_CHARS}
    return {
        "mode": one_of(Mode, "approve and answer of an intent, review of an answer; without it, approve or review."),
        "queue": text("The queue of people; without it, the only one of the config, or the one named default.", pattern=f"^{bounds.QUEUE.pattern}$"),
        "min_approvers": whole("How many different persons have to agree; without it, one.", minimum=1, maximum=bounds.MAX_APPROVERS),
        "distinct_from": many(
            one_of(bounds.DISTINCT_FROM, "requester: who sent the intent; reviewers: who decided earlier about it."),
            "Who must not be the person that decides.",
            maxItems=len(bounds.DISTINCT_FROM),
        ),
        "expires_in_s": whole("How many seconds there are to decide; without it, as the queue says.", minimum=1, maximum=bounds.MAX_EXPIRES_S),
        "on_expiry": text(
            "What happens when nobody decided in time: refuse, release (it goes on without a person) or queue:NAME; without it, as the queue says.",
            pattern=f"^(?:{REFUSE}|{RELEASE}|{QUEUE_PREFIX}{bounds.QUEUE.pattern})$",
        ),
        "skills": many(name, "Has to be empty: no queue knows yet what its people can do.", maxItems=0),
    }


def _reason() -> Schema:
    fields = {
        "rule": text("The name of the rule, such as limits.tool.", minLength=1, maxLength=bounds.MAX_RULE_CHARS),
        "message": text("A sentence for the caller.", minLength=1, maxLength=bounds.MAX_MESSAGE_CHARS),
    }
    return section(fields, "A reason.", required=["rule", "message"])


def _reveal() -> Schema:
    category = {"type": "string", "pattern": rf"^(?:\*|{bounds.CATEGORY.pattern})$"}
    grants = {to.value: many(category, f"Categories that the {to.value} sees.", maxItems=bounds.MAX_CATEGORIES) for to in Destination}
    return section(grants, "What is found and shown all the same, by destination; * is all. Secrets are never shown.")


def _obligations() -> dict[str, Schema]:
    name = {"type": "string", "minLength": 1, "maxLength": bounds.MAX_LABEL_CHARS}
    return {
        "reveal": _reveal(),
        "allow_unscanned": flag("Lets content go that nobody could scan, such as an image."),
        "routes": many(
            {**name, "pattern": f"^{bounds.GRANT.pattern}$"},
            "What may serve it, ROUTE for all of a route's targets, ROUTE/TARGET for one of them; without it, all of the route's.",
            maxItems=bounds.MAX_ROUTES,
        ),
        "max_tokens": whole("Lowers the cap on output tokens, visibly.", minimum=1, maximum=bounds.MAX_TOKENS),
        "require_schema": {
            **name,
            "description": "The name of a schema of the config that the answer has to meet, besides the caller's and the route's own.",
        },
        "allow_invalid": flag(
            "Lets one go that breaks its schema after all repairs and fallbacks; without it, the caller gets a 502 answer.schema_invalid even where "
            "the outcome is allow."
        ),
        "retention_days": whole("How many days the record keeps its content.", minimum=1, maximum=bounds.MAX_RETENTION_DAYS),
        "approval": section(_terms(), "Of escalate alone: who is to decide, and how."),
        "labels": table(
            name, "Stand on the record; the conditions when.labels of a route's targets look at those of the intent.", maxProperties=bounds.MAX_LABELS
        ),
    }
