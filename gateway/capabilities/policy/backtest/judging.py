"""The verdict of a policy on a recorded decision, or why it cannot be had faithfully."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from gateway.capabilities.policy.backtest.completing import Completer, Read
from gateway.capabilities.policy.backtest.enforcing import Means, refusal
from gateway.capabilities.policy.backtest.recorded import BROKEN, ERASED, EXPIRED, NO_INPUT, NOT_BY_POLICY, Asked, Said
from gateway.capabilities.policy.contract import covers
from gateway.capabilities.policy.policy import DEFAULT_TIMEOUT_S, Policy
from gateway.capabilities.policy.syntax import Path
from gateway.capabilities.policy.verdict import obligation_facts
from gateway.capabilities.redaction.placeholders import may_hold_letters
from gateway.domain import SECRET, Decision, Hook

CONTENT_REDACTED, CONTENT_REMOVED, VOLATILE, MISSING_INPUT = "content_redacted", "content_removed", "volatile", "missing_input"
REASONS: Final[Mapping[str, str]] = {
    ERASED: "the content of the record was erased",
    EXPIRED: "the content of the record was erased because its time had come",
    NO_INPUT: "the record keeps no input of this decision",
    BROKEN: "the record, or the input on it, cannot be read; gateway records verify tells more",
    NOT_BY_POLICY: "no rule decided this: there was no policy, it took too long, or the input could not be given to one",
    CONTENT_REDACTED: "the candidate reads text of which the record keeps placeholders",
    CONTENT_REMOVED: "the candidate reads messages whose media the record does not keep",
    VOLATILE: "the candidate reads the time or a budget, which the policy of that day did not",
    MISSING_INPUT: "the candidate reads what the policy of that day did not, and the record does not tell it",
}
"""Why a decision is counted apart."""
_TIMES: Final = frozenset({"time", "budget"})
_MESSAGES: Final = ("request", "messages")
_SECRET: Final = f"<{SECRET}>".encode()


class Apart(NamedTuple):
    """A decision that cannot be replayed: one of ``REASONS``, and the paths that it is about."""

    reason: str
    paths: tuple[Path, ...] = ()


class Judged(NamedTuple):
    """What the policy says."""

    said: Said
    added: tuple[Path, ...]
    """What of the input came from the record, not from what was stored as input."""
    evaluated: bool
    """Whether the rules were asked; the same input twice has the same verdict."""
    slow: bool
    """Whether it took longer than a live decision may."""


class Judge:
    """Asks one policy. For one thread."""

    def __init__(self, policy: Policy, known: Mapping[str, Read], means: Means) -> None:
        """``known``: what policies of other revisions read. ``means``: what the gateway has to meet obligations with."""
        self._policy = policy
        self._means = means
        self._completer = Completer({hook: policy.reads(hook) for hook in Hook}, known)
        self._reads_messages = any(covers(path, _MESSAGES) or covers(_MESSAGES, path) for path in policy.reads(Hook.INTENT))

    def judge(self, asked: Asked) -> Judged | Apart:
        """The verdict on a decision whose input is there."""
        parts, added, missing = self._completer.complete(asked)
        if missing:
            return Apart(VOLATILE if all(path[0] in _TIMES for path in missing) else MISSING_INPUT, missing)
        if asked.hook is Hook.INTENT and self._reads_messages and asked.facts.get("unscanned"):
            return Apart(CONTENT_REMOVED)
        decision = self._policy.decide(asked.hook, parts)
        if _SECRET in decision.input or may_hold_letters(decision.input):
            return Apart(CONTENT_REDACTED)
        return Judged(self._said(asked, decision), added, not decision.memoised, decision.duration_ns > DEFAULT_TIMEOUT_S * 1e9)

    def _said(self, asked: Asked, decision: Decision) -> Said:
        verdict = decision.verdict
        return Said(
            outcome=verdict.outcome,
            rules=tuple(reason.rule for reason in verdict.reasons),
            obligations=obligation_facts(verdict.obligations),
            gateway=refusal(asked.hook, verdict, asked.facts, self._means),
        )
