"""The decisions of one record: what was asked, what was answered, and what else the record knows of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gateway.capabilities.policy.backtest.source import Raw, Stored
from gateway.capabilities.records.rows import parse_body
from gateway.domain import Hook, Json, State

BROKEN, ERASED, EXPIRED, NO_INPUT, NOT_BY_POLICY = "broken_record", "erased", "expired", "no_input", "not_by_policy"
"""Why a recorded decision has nothing that could be asked again."""
OF_GATEWAY: Final = frozenset({"policy.unscanned", "policy.route", "policy.schema", "policy.unsupported"})
"""Reasons with which the gateway refuses what a policy has allowed, because it cannot meet what the policy demands."""
_NO_ANSWER: Final = frozenset({"policy.unavailable", "policy.timeout"})
_NO_QUESTION: Final = ("the input ", "policy has changed ")
"""How the gateway begins when it refused with ``policy.error`` before any rule was asked."""
ESCALATED: Final = "no queue"
"""The first reason of a verdict that wanted a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A verdict in the form in which verdicts are compared."""

    outcome: str
    """``allow``, ``deny`` or ``escalate``."""
    rules: tuple[str, ...] = ()
    obligations: Json
    """As on the record."""
    gateway: str | None = None
    """The rule with which the gateway refused though the policy allowed."""

    @property
    def effective(self) -> str:
        """What came of it."""
        return "deny" if self.gateway else self.outcome

    @property
    def because(self) -> tuple[str, ...]:
        """The rules behind the outcome; of one that wanted a person, without the sentence that there is none."""
        return (self.gateway,) if self.gateway else self.rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One recorded decision."""

    tenant: str
    intent_id: str
    route: str
    hook: Hook
    said: Said | None
    """``None`` where the record does not say."""
    revision: str
    input: Json | None
    """The stored input: the paths that the policy of that day read, redacted for the record."""
    problem: str | None
    """Why it cannot be asked again."""
    facts: Mapping[str, Any]
    """Of the ``opened`` entry."""
    ending: Mapping[str, Any]
    """Of the ``closed`` entry."""
    request: Json | None
    """The request as the record keeps it."""
    choice: int = 0
    """Which choice of the answer it was about."""
    cost_microusd: int | None = None
    """Of the whole intent, as far as it was recorded."""


def decisions(raw: Raw, hooks: frozenset[Hook]) -> Iterator[Asked]:
    """What was decided about one intent, in order. A record that cannot be read is one decision with a problem."""
    opened, closed = _Entry(raw.opened), _Entry(raw.closed)
    subject = {"tenant": raw.tenant, "intent_id": raw.intent_id, "route": _text(opened.facts.get("route"), "-")}
    facts = {"facts": opened.facts, "ending": closed.facts, "request": opened.request, "cost_microusd": _cost(closed.facts)}
    answers = _listed(closed, "decision", "decisions")
    if Hook.INTENT in hooks and (opened.damaged or "decision" in opened.facts):
        refused = None if answers else _refused_by_gateway(closed.facts)
        yield _asked(subject | facts, Hook.INTENT, opened.facts.get("decision"), opened, opened.inputs(1)[0], refused)
    if Hook.ANSWER in hooks:
        if closed.damaged:
            yield _asked(subject | facts, Hook.ANSWER, None, closed, None, None)
        for choice, (decision, stored) in enumerate(zip(answers, closed.inputs(len(answers)), strict=True)):
            refused = _refused_by_gateway(closed.facts) if choice == len(answers) - 1 else None
            yield _asked(subject | facts | {"choice": choice}, Hook.ANSWER, decision, closed, stored, refused)


class _Entry:
    """An entry, decoded as far as it can be."""

    def __init__(self, stored: Stored | None) -> None:
        body = parse_body(stored.body) if stored is not None else None
        self.damaged = stored is not None and body is None
        self.facts: Json = body["facts"] if body else {}
        self.why_empty = NO_INPUT
        self._content: Any = {}
        if body is not None and stored is not None:
            self._read(body, stored)

    def _read(self, body: Json, stored: Stored) -> None:
        if body["digests"] and not stored.salted:
            expires = body["expires_ns"]
            self.why_empty = EXPIRED if isinstance(expires, int) and expires <= time.time_ns() else ERASED
        elif stored.content is not None:
            try:
                self._content = orjson.loads(stored.content)
            except ValueError:
                self.why_empty = BROKEN
        if not isinstance(self._content, dict):
            self._content, self.why_empty = {}, BROKEN

    @property
    def request(self) -> Json | None:
        request = self._content.get("request")
        return request if isinstance(request, dict) else None

    def inputs(self, many: int) -> Sequence[Any]:
        """The stored inputs of ``many`` decisions; ``None`` for each that is not there."""
        stored = self._content.get("decision_inputs")
        if not isinstance(stored, list):
            stored = [self._content.get("decision_input")]
        return stored if len(stored) == many else [None] * many


def _asked(common: Json, hook: Hook, decision: Any, entry: _Entry, stored: Any, refused: str | None) -> Asked:
    said = _said(decision, refused)
    problem = None
    if said is None or entry.damaged:
        problem = BROKEN
    elif stored is None:
        problem = entry.why_empty
    elif not isinstance(stored, dict):
        problem = BROKEN
    elif not _by_policy(decision):
        problem = NOT_BY_POLICY
    revision = _text(decision.get("revision"), "") if isinstance(decision, dict) else ""
    return Asked(hook=hook, said=said, revision=revision, input=stored if problem is None else None, problem=problem, **common)


def _said(decision: Any, refused: str | None) -> Said | None:
    """The recorded verdict; ``None`` where it is none."""
    if not isinstance(decision, dict) or decision.get("outcome") not in {"allow", "deny", "escalate"}:
        return None
    reasons, obligations = decision.get("reasons"), decision.get("obligations")
    if not isinstance(reasons, list) or not isinstance(obligations, dict) or not all(isinstance(reason, dict) for reason in reasons):
        return None
    outcome, rules = outcome_of(str(decision["outcome"]), [_text(reason.get("rule"), "?") for reason in reasons])
    return Said(outcome=outcome, rules=rules, obligations=obligations, gateway=refused if outcome == "allow" else None)


def outcome_of(outcome: str, rules: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Outcome and rules of a verdict: one that wanted a person, which nobody was there to be, counts as ``escalate``."""
    if outcome == "deny" and rules and rules[0] == ESCALATED:
        return "escalate", tuple(rules[1:])
    return outcome, tuple(rules)


def _by_policy(decision: Json) -> bool:
    """Whether rules decided; where the engine failed on the input, they did, too."""
    first = decision["reasons"][0] if decision["reasons"] else {}
    rule, message = first.get("rule"), _text(first.get("message"), "")
    return rule not in _NO_ANSWER and not (rule == "policy.error" and message.startswith(_NO_QUESTION))


def _refused_by_gateway(ending: Mapping[str, Any]) -> str | None:
    reason = ending.get("reason")
    return reason if ending.get("state") == State.REFUSED and reason in OF_GATEWAY else None


def _listed(closed: _Entry, one: str, several: str) -> list[Any]:
    found = closed.facts.get(several)
    if isinstance(found, list):
        return found
    return [closed.facts[one]] if one in closed.facts else []


def _cost(ending: Mapping[str, Any]) -> int | None:
    attempts = ending.get("attempts")
    costs = [attempt.get("cost_microusd") for attempt in attempts if isinstance(attempt, dict)] if isinstance(attempts, list) else []
    known = [cost for cost in costs if isinstance(cost, int)]
    return sum(known) if known else None


def _text(value: Any, default: str) -> str:
    return value if isinstance(value, str) else default
