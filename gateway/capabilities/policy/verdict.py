"""From what Rego said to a ``Verdict``: strictly, so that a slip of the pen refuses instead of being overlooked.

What is not of the contract is ``policy.malformed``; what is of the contract but cannot be enforced by this build is ``policy.unsupported``. Messages name
the place in the verdict and never quote it, because a verdict can be computed from content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.domain import SECRET, Destination, Hook, Json, Obligations, Reason, Verdict
from gateway.domain_tasks import QUEUE_PREFIX, REFUSE, RELEASE, REQUESTER, REVIEWERS, ApprovalTerms, Mode

MAX_REASONS: Final = 32
MAX_RULE_CHARS: Final = 100
MAX_MESSAGE_CHARS: Final = 1_000
MAX_CATEGORIES: Final = 500
MAX_ROUTES: Final = 500
MAX_LABELS: Final = 32
MAX_LABEL_CHARS: Final = 200
MAX_TOKENS: Final = 100_000_000
MAX_RETENTION_DAYS: Final = 36_500
MAX_APPROVERS: Final = 10
MAX_EXPIRES_S: Final = 31_536_000
"""Bounds of this gateway: nothing longer belongs into an answer, a header or a record."""

OUTCOMES: Final = ("allow", "deny", "escalate")
NOT_BUILT: Final = frozenset({"sources"})
CATEGORY: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
GRANT: Final = re.compile(r"[^/]+(?:/[^/]+)?")
"""``ROUTE`` or ``ROUTE/TARGET``; no name of the config holds a slash."""
QUEUE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""The name of a queue of people, as the config writes names."""
APPROVAL: Final = ("mode", "queue", "min_approvers", "distinct_from", "expires_in_s", "on_expiry", "skills")
"""The entries of ``obligations.approval``. ``skills`` has to be empty: no queue of this build knows what its people can do."""
DISTINCT_FROM: Final = (REQUESTER, REVIEWERS)
MODES: Mapping[Hook, tuple[Mode, ...]] = {Hook.INTENT: (Mode.APPROVE, Mode.ANSWER), Hook.ANSWER: (Mode.REVIEW,)}
"""What a person can be asked to do at each hook; the first is the default. Of embeddings, nobody can answer."""
_MODES: Mapping[str, Mode] = {mode.value: mode for mode in Mode}
_DESTINATIONS: Mapping[str, Destination] = {destination.value: destination for destination in Destination}
_NO_REASON = Reason("policy.denied", "policy refused and gave no reason")
_ESCALATED = Reason("policy.escalated", "policy wants a person to decide and gave no reason")
_UNSAID: Mapping[str, tuple[Reason, ...]] = {"allow": (), "deny": (_NO_REASON,), "escalate": (_ESCALATED,)}


class VerdictError(Exception):
    """The verdict cannot be used. ``rule`` is ``policy.malformed`` or ``policy.unsupported``, ``message`` says what and where."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message


def parse(value: Any) -> Verdict:
    """The verdict that ``value`` (decoded JSON) states.

    Whether a queue of people is there to decide what it escalates, and whether its terms suit the hook, is for the caller to see.

    Raises:
        VerdictError: It is not a verdict of the contract, or demands what this build cannot do.
    """
    verdict = _object(value, "the verdict", {"outcome", "reasons", "obligations"})
    outcome = verdict.get("outcome")
    if not isinstance(outcome, str) or outcome not in OUTCOMES:
        raise _malformed("outcome must be allow, deny or escalate")
    reasons = tuple(_reason(item) for item in _list(verdict.get("reasons", []), "reasons", MAX_REASONS))
    demanded = _object(verdict.get("obligations", {}), "obligations", _OBLIGATIONS.keys() | NOT_BUILT)
    missing = next((name for name in demanded if name in NOT_BUILT), None)
    if missing is not None:
        raise VerdictError("policy.unsupported", f"policy demands {missing}, which this gateway cannot do yet")
    if "approval" in demanded and outcome != "escalate":
        raise _malformed("obligations.approval belongs to the outcome escalate alone")
    obligations = Obligations(**{name: _OBLIGATIONS[name](demand) for name, demand in demanded.items()})
    return Verdict(outcome=outcome, reasons=reasons or _UNSAID[outcome], obligations=obligations)


def obligation_facts(obligations: Obligations) -> Json:
    """Obligations as they stand on records and in what is told of a decision. ``approval`` is there only where a person is asked."""
    facts: Json = {
        "reveal": {destination.value: sorted(categories) for destination, categories in obligations.reveal.items()},
        "allow_unscanned": obligations.allow_unscanned,
        "routes": None if obligations.routes is None else list(obligations.routes),
        "max_tokens": obligations.max_tokens,
        "require_schema": obligations.require_schema,
        "allow_invalid": obligations.allow_invalid,
        "retention_days": obligations.retention_days,
        "labels": dict(obligations.labels),
    }
    terms = obligations.approval
    if terms is not None:
        facts["approval"] = {
            "mode": None if terms.mode is None else terms.mode.value,
            "queue": terms.queue,
            "min_approvers": terms.min_approvers,
            "distinct_from": list(terms.distinct_from),
            "expires_in_s": terms.expires_in_s,
            "on_expiry": terms.on_expiry,
        }
    return facts


def _reason(value: Any) -> Reason:
    reason = _object(value, "a reason", {"rule", "message"})
    return Reason(_text(reason.get("rule"), "a reason's rule", MAX_RULE_CHARS), _text(reason.get("message"), "a reason's message", MAX_MESSAGE_CHARS))


def _reveal(value: Any) -> Mapping[Destination, frozenset[str]]:
    grants = _object(value, "obligations.reveal", _DESTINATIONS.keys())
    return MappingProxyType({_DESTINATIONS[name]: _categories(granted) for name, granted in grants.items()})


def _categories(value: Any) -> frozenset[str]:
    categories = _list(value, "obligations.reveal of a destination", MAX_CATEGORIES)
    for category in categories:
        if category != "*" and not (isinstance(category, str) and CATEGORY.fullmatch(category)):
            raise _malformed("obligations.reveal holds something that is not a category")
        if category == SECRET:
            raise _malformed("obligations.reveal grants secrets, which are never granted")
    return frozenset(categories)


def _flag(name: str) -> Callable[[Any], bool]:
    def flag(value: Any) -> bool:
        if not isinstance(value, bool):
            raise _malformed(f"obligations.{name} must be true or false")
        return value

    return flag


def _routes(value: Any) -> tuple[str, ...]:
    routes = tuple(_text(route, "a route of obligations.routes", MAX_LABEL_CHARS) for route in _list(value, "obligations.routes", MAX_ROUTES))
    if not all(map(GRANT.fullmatch, routes)):
        raise _malformed("obligations.routes holds something that is neither ROUTE nor ROUTE/TARGET")
    return routes


def _name(value: Any) -> str:
    return _text(value, "obligations.require_schema", MAX_LABEL_CHARS)


def _count(name: str, most: int) -> Callable[[Any], int]:
    def count(value: Any) -> int:
        if type(value) is not int or not 0 < value <= most:  # bool is an int to Python, not to the contract
            raise _malformed(f"obligations.{name} must be a whole number from 1 to {most}")
        return value

    return count


def _labels(value: Any) -> Mapping[str, str]:
    labels = _object(value, "obligations.labels", None)
    if len(labels) > MAX_LABELS:
        raise _malformed(f"obligations.labels has more than {MAX_LABELS} entries")
    return MappingProxyType({_text(name, "a label's name", MAX_LABEL_CHARS): _text(label, "a label", MAX_LABEL_CHARS) for name, label in labels.items()})


def _approval(value: Any) -> ApprovalTerms:
    terms = _object(value, "obligations.approval", _TERMS.keys())
    read = {name: _TERMS[name](term) for name, term in terms.items()}
    if read.pop("skills", None):
        raise VerdictError("policy.unsupported", "policy demands approval.skills, which this gateway cannot look for yet")
    return ApprovalTerms(**read)


def _mode(value: Any) -> Mode:
    if not isinstance(value, str) or value not in _MODES:
        raise _malformed(f"obligations.approval.mode must be one of {', '.join(_MODES)}")
    return _MODES[value]


def _queue(value: Any) -> str:
    if not isinstance(value, str) or not QUEUE.fullmatch(value):
        raise _malformed("obligations.approval.queue must be the name of a queue")
    return value


def _distinct_from(value: Any) -> tuple[str, ...]:
    named = _list(value, "obligations.approval.distinct_from", len(DISTINCT_FROM))
    if any(name not in DISTINCT_FROM for name in named):
        raise _malformed(f"obligations.approval.distinct_from may hold {' and '.join(DISTINCT_FROM)}")
    return tuple(name for name in DISTINCT_FROM if name in named)


def _on_expiry(value: Any) -> str:
    if isinstance(value, str) and (value in {REFUSE, RELEASE} or (value.startswith(QUEUE_PREFIX) and QUEUE.fullmatch(value.removeprefix(QUEUE_PREFIX)))):
        return value
    raise _malformed(f"obligations.approval.on_expiry must be {REFUSE}, {RELEASE} or {QUEUE_PREFIX}NAME")


def _skills(value: Any) -> tuple[str, ...]:
    return tuple(_text(skill, "a skill of obligations.approval", MAX_LABEL_CHARS) for skill in _list(value, "obligations.approval.skills", MAX_LABELS))


_TERMS: Mapping[str, Callable[[Any], Any]] = {
    "mode": _mode,
    "queue": _queue,
    "min_approvers": _count("approval.min_approvers", MAX_APPROVERS),
    "distinct_from": _distinct_from,
    "expires_in_s": _count("approval.expires_in_s", MAX_EXPIRES_S),
    "on_expiry": _on_expiry,
    "skills": _skills,
}
_OBLIGATIONS: Mapping[str, Callable[[Any], Any]] = {
    "reveal": _reveal,
    "allow_unscanned": _flag("allow_unscanned"),
    "routes": _routes,
    "max_tokens": _count("max_tokens", MAX_TOKENS),
    "require_schema": _name,
    "allow_invalid": _flag("allow_invalid"),
    "retention_days": _count("retention_days", MAX_RETENTION_DAYS),
    "labels": _labels,
    "approval": _approval,
}


def _object(value: Any, what: str, known: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _malformed(f"{what} must be an object")
    if known is not None and not value.keys() <= known:
        raise _malformed(f"{what} has an entry that the contract does not know")
    return value


def _list(value: Any, what: str, most: int) -> list[Any]:
    if not isinstance(value, list):
        raise _malformed(f"{what} must be an array")
    if len(value) > most:
        raise _malformed(f"{what} has more than {most} entries")
    return value


def _text(value: Any, what: str, most: int) -> str:
    if not isinstance(value, str) or not value:
        raise _malformed(f"{what} must be text")
    if len(value) > most:
        raise _malformed(f"{what} is longer than {most} characters")
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):  # half a character, which no answer or record can hold
        raise _malformed(f"{what} must be Unicode text")
    return value


def _malformed(message: str) -> VerdictError:
    return VerdictError("policy.malformed", message)
