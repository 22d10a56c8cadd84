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
ESCALATED: Final = "no queue"
"""The reason of the gateway where a verdict wanted a person, and there was no queue of people for it. Gateways that knew no people had a refusal with this
reason before the policy's own in the verdict's place."""
OF_GATEWAY: Final = frozenset({"policy.unscanned", "policy.route", "policy.schema", "policy.unsupported", ESCALATED})
"""Reasons with which the gateway refuses what a policy has allowed or left to a person, because it cannot meet what the policy demands."""
_NO_ANSWER: Final = frozenset({"policy.unavailable", "policy.timeout"})
_NO_QUESTION: Final = ("the input ", "policy has changed ")
"""How the gateway begins when it refused with ``policy.error`` before any rule was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A verdict in the form in which verdicts are compared."""

    outcome: str
    """``allow``, ``deny`` or ``escalate``."""
    rules: tuple[str, ...] = ()
    obligations: Json
    """As on the record."""
    gateway: str | None = None
    """The rule with which the gateway refused what the policy allowed or left to a person."""

    old: bool = False
    """Whether it is an escalation of a gateway that knew no people: that kept none of its obligations."""

    @property
    def effective(self) -> str:
        """What came of it; what was left to a person counts as that, also where no queue was there for it."""
        return "deny" if self.gateway not in {None, ESCALATED} else self.outcome

    @property
    def because(self) -> tuple[str, ...]:
        """The rules behind the outcome; of one that wanted a person, without the sentence that there is none."""
        return self.rules if self.gateway in {None, ESCALATED} else (str(self.gateway),)


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
    """Of the entry that tells how an answer was judged: the one that the decision stands on, of an intent's first decision the ``closed`` entry."""
    request: Json | None
    """The request as the record keeps it."""
    choice: int = 0
    """Which choice of the answer it was about."""
    resumed: bool = False
    """Whether people had decided something about the intent before."""
    parked: bool = False
    """Whether it stands on a ``parked`` entry, which tells less than a ``closed`` one."""
    intent_decision: Any = None
    """Of an answer, the decision on the intent that it was preceded by."""
    cost_microusd: int | None = None
    """Of the whole intent, as far as it was recorded."""


def decisions(raw: Raw, hooks: frozenset[Hook]) -> Iterator[Asked]:
    """What was decided about one intent, in order. A record that cannot be read is one decision with a problem."""
    opened, closed = _Entry(raw.opened), _Entry(raw.closed)
    parked = sorted(map(_Entry, raw.parked), key=lambda entry: entry.at_ns)
    subject = {"tenant": raw.tenant, "intent_id": raw.intent_id, "route": _text(opened.facts.get("route"), "-")}
    common = {"facts": opened.facts, "request": opened.request, "cost_microusd": _cost([entry.facts for entry in (*parked, closed)])}
    found = list(_found(opened, parked, closed))
    intent_decision = None
    for at, (hook, entry, decision, stored, place) in enumerate(found):
        refused = _refused_by_gateway(closed.facts) if at == len(found) - 1 else None
        if hook is Hook.INTENT:
            intent_decision = decision
        if hook in hooks:
            told = {"ending": (closed if entry is opened else entry).facts, "intent_decision": intent_decision}
            yield _asked(subject | common | place | told, hook, decision, entry, stored, refused)


def _found(opened: _Entry, parked: Sequence[_Entry], closed: _Entry) -> Iterator[tuple[Hook, _Entry, Any, Any, Json]]:
    """By hook the entry, decision and stored input, and what else tells the decision from others. After each parked entry the intent was asked about anew."""
    if opened.damaged or "decision" in opened.facts:
        yield Hook.INTENT, opened, opened.facts.get("decision"), opened.inputs(1)[0], {}
    for holds, entry in enumerate((*parked, closed)):
        place = {"resumed": holds > 0, "parked": entry is not closed}
        if entry.damaged:
            yield Hook.ANSWER, entry, None, None, place
        listed, choice = _listed(entry, "decision", "decisions"), 0
        for decision, stored in zip(listed, entry.inputs(len(listed)), strict=True):
            hook = Hook.INTENT if isinstance(decision, dict) and decision.get("hook") == Hook.INTENT else Hook.ANSWER
            yield hook, entry, decision, stored, {**place, "choice": choice}
            choice = 0 if hook is Hook.INTENT else choice + 1


class _Entry:
    """An entry, decoded as far as it can be."""

    def __init__(self, stored: Stored | None) -> None:
        body = parse_body(stored.body) if stored is not None else None
        self.damaged = stored is not None and body is None
        self.facts: Json = body["facts"] if body else {}
        self.why_empty = NO_INPUT
        self._content: Any = {}
        self._at_ns = body["at_ns"] if body else 0
        if body is not None and stored is not None:
            self._read(body, stored)

    @property
    def at_ns(self) -> int:
        return self._at_ns if isinstance(self._at_ns, int) else 0

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
    return Said(
        outcome=outcome,
        rules=rules,
        obligations=obligations,
        gateway=refused if _can_be_refused(outcome, refused) else None,
        old=outcome != decision["outcome"],
    )


def _can_be_refused(outcome: str, by: str | None) -> bool:
    """Whether the gateway's reason is about a verdict of this outcome: of an allowed one nobody is missing."""
    return outcome == "escalate" or (outcome == "allow" and by != ESCALATED)


def outcome_of(outcome: str, rules: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Outcome and rules of a recorded verdict: one of a gateway that knew no people counts as ``escalate`` where it wanted a person."""
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


def _cost(told: Sequence[Mapping[str, Any]]) -> int | None:
    """Of all attempts, each of them once: an entry may tell again what an earlier one told."""
    costs: dict[str, int] = {}
    for at, facts in enumerate(told):
        attempts = facts.get("attempts")
        for number, attempt in enumerate(attempts if isinstance(attempts, list) else ()):
            if isinstance(attempt, dict) and isinstance(attempt.get("cost_microusd"), int):
                begun = attempt.get("started_ns")
                costs[f"{attempt.get('target')}/{begun}" if isinstance(begun, int) else f"{at}/{number}"] = attempt["cost_microusd"]
    return sum(costs.values()) if costs else None


def _text(value: Any, default: str) -> str:
    return value if isinstance(value, str) else default
