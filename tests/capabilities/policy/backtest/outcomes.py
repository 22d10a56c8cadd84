"""An outcome with something of everything, for what is drawn from it."""

from __future__ import annotations

from pathlib import Path

from gateway.capabilities.policy.backtest.comparing import KINDS
from gateway.capabilities.policy.backtest.judging import REASONS, Apart
from gateway.capabilities.policy.backtest.recorded import Asked, Said
from gateway.capabilities.policy.backtest.running import Outcome, Task
from gateway.capabilities.policy.backtest.source import DAY_NS, Window
from gateway.capabilities.policy.backtest.tally import Tally
from gateway.domain import Hook

SIDES = {
    "newly_denied": ("allow", "deny"), "newly_allowed": ("deny", "allow"), "newly_escalated": ("allow", "escalate"), "changed_obligations": ("allow", "allow"),
    "changed_reasons": ("deny", "deny"), "refused_by_gateway": ("deny", "deny"), "unchanged": ("allow", "allow"),
}  # fmt: skip


def asked(number: int, *, tenant: str = "acme", route: str = "assistant", cost_microusd: int | None = 100) -> Asked:
    return Asked(
        tenant=tenant, intent_id=f"int_{number:028x}", route=route, hook=Hook.INTENT, said=None, revision="r1", input={}, problem=None, facts={}, ending={},
        request=None, cost_microusd=cost_microusd,
    )  # fmt: skip


def tallied(rule: str = "access.team", *, tenant: str = "acme", route: str = "assistant", many: int = 3) -> Tally:
    tally = Tally()
    for number, kind in enumerate(list(KINDS) * many):
        one = asked(number, tenant=tenant, route=route)
        tally.add_record(route, 100)
        before, after = (Said(outcome=outcome, obligations={}) for outcome in SIDES[kind])
        tally.compare(one, (before, after), kind, [rule], [f"labels {rule}"] if kind == "changed_obligations" else [])
    for number, reason in enumerate(REASONS):
        tally.set_apart(
            asked(1_000 + number, tenant=tenant, route=route), Apart(reason, (("request", "tokens_estimate"),) if reason == "missing_input" else ())
        )
    tally.completed, tally.slow = 2, 1
    tally.added.update(["subject.roles"])
    return tally


def outcome(tally: Tally | None = None, *, baseline: Path | None = None, tenants: tuple[str, ...] = ("acme",)) -> Outcome:
    task = Task(candidate=Path("candidate"), baseline=baseline, tenants=tenants, window=Window(since_ns=0, until_ns=2 * DAY_NS))
    return Outcome(
        task=task,
        tally=tallied() if tally is None else tally,
        candidate_revision="c" * 64,
        baseline_revision="b" * 64 if baseline else None,
        workers=2,
        seconds=2.0,
    )
