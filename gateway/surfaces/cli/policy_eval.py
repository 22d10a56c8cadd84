"""``gateway policy eval``: the verdict on an input."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import IO, Any

import click
import orjson

from gateway.capabilities.policy.decider import PolicyDecider
from gateway.capabilities.policy.loading import load_policy
from gateway.domain import Decision, Hook
from gateway.surfaces.cli.config_file import Refusal, config_option
from gateway.surfaces.cli.policy_folder import or_refuse, policies_option, policy_folder


@click.command(name="eval")
@click.option("--hook", type=click.Choice([hook.value for hook in Hook]), required=True, help="Which verdict to ask for.")
@click.option("--input", "source", type=click.File("rb"), required=True, help="The input of the contract as JSON, - for standard input.")
@policies_option
@config_option
def command(hook: str, source: IO[bytes], policies: Path | None, config: Path) -> None:
    """Print the verdict on an input, as the gateway would act on it, and the part of the input that the rules look at."""
    parts = _parts(source)
    policy = or_refuse(lambda: load_policy(policy_folder(policies, config), memo_entries=0))
    decision = asyncio.run(PolicyDecider(policy=policy).decide(Hook(hook), parts))
    click.echo(orjson.dumps(_told(decision), option=orjson.OPT_INDENT_2).decode())


def _parts(source: IO[bytes]) -> dict[str, Any]:
    name = getattr(source, "name", "the input")
    try:
        parts = orjson.loads(source.read())
    except orjson.JSONDecodeError as error:
        raise Refusal(f"{name}:{error.lineno}:{error.colno}: not JSON ({error.msg})") from None
    if not isinstance(parts, dict):
        raise Refusal(f"{name}: the input must be an object with the sections of the contract (subject, intent, request ...)")
    return parts


def _told(decision: Decision) -> dict[str, Any]:
    """A decision as JSON, with the same names as in the contract."""
    demanded = decision.verdict.obligations
    obligations = {
        "reveal": {destination.value: sorted(categories) for destination, categories in demanded.reveal.items()},
        "allow_unscanned": demanded.allow_unscanned,
        "routes": demanded.routes,
        "max_tokens": demanded.max_tokens,
        "require_schema": demanded.require_schema,
        "allow_invalid": demanded.allow_invalid,
        "retention_days": demanded.retention_days,
        "labels": dict(demanded.labels),
    }
    return {
        "hook": decision.hook,
        "outcome": decision.verdict.outcome,
        "reasons": [reason._asdict() for reason in decision.verdict.reasons],
        "obligations": obligations if decision.verdict.outcome == "allow" else None,
        "revision": decision.revision,
        "duration_us": decision.duration_ns // 1000,
        "input": orjson.Fragment(decision.input),
    }
