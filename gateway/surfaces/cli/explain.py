"""``gateway explain``: the whole of an intent, from its record and from the policy that decided."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import click
import orjson

from gateway.capabilities.policy.bundle import Bundle, load_bundle
from gateway.capabilities.policy.loading import check
from gateway.capabilities.policy.problems import PolicyError, Problem
from gateway.capabilities.policy.sources import key_of, options_of, source_of
from gateway.capabilities.policy.syntax import Program
from gateway.capabilities.records.store import RecordStore
from gateway.capabilities.records.timeline import draw
from gateway.domain import Json
from gateway.settings import Settings
from gateway.surfaces.cli.config_file import Refusal, config_option, load_settings
from gateway.surfaces.cli.ledger_options import clear_errors, open_database
from gateway.surfaces.cli.policy_explanation import explanation_lines
from gateway.surfaces.record_explain import explained


@click.command()
@click.argument("intent_id", metavar="ID")
@click.option("--tenant", help="Whose: a tenant of the config.  [default: the config's tenant if it is the only one]")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object, the same as GET /v1/records/ID/explain and with the values that rules gave.")
@config_option
def command(config: Path, intent_id: str, tenant: str | None, *, as_json: bool) -> None:
    """Say what happened to an intent and why: decisions with their rules, redactions, routing, attempts, repairs, confidence, cost and time."""
    settings = load_settings(config)
    if tenant is None and len(settings.tenants) > 1:
        raise Refusal(f"give --tenant: the config has {', '.join(sorted(settings.tenants))}")
    name = tenant or next(iter(settings.tenants))
    with clear_errors():
        record = RecordStore(open_database(settings, name)).show(name, intent_id)
    policy, why = _policy(settings)
    told = explained(record, policy, link=settings.telemetry.traces.link)
    if as_json:
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    lines = [*draw(record), *_summary(told), *([f"note: the policy cannot be read: {why}"] if why else [])]
    click.echo("\n".join(lines).encode("utf-8", "backslashreplace").decode())


def _policy(settings: Settings) -> tuple[tuple[Bundle, Program] | None, str]:
    """The policy that the config names, else why there is none. Of a server it is the bundle that was kept."""
    try:
        bundle = asyncio.run(_kept(settings)) if settings.policy.bundle else load_bundle(settings.policy.path, key_of(options_of(settings.policy)))
        return (bundle, check(bundle)), ""
    except PolicyError as error:
        return None, str(error).split("\n", 1)[0]


async def _kept(settings: Settings) -> Bundle:
    source = source_of(options_of(settings.policy))
    try:
        bundle = await source.kept()
    finally:
        await source.close()
    if bundle is None:
        raise PolicyError([Problem("policy.keep", 0, 0, "no bundle is kept", "ask the gateway itself: GET /v1/records/ID/explain")])
    return bundle


def _held(hold: Json) -> str:
    """How long an intent waited for people, and who they were."""
    who = ", ".join(f"{one['name'] or one['by']} ({one['action']})" for one in hold["decided"]) or "nobody yet"
    waited = "it still waits" if hold["waited_ms"] is None else f"it waited {hold['waited_ms'] / 1000:,.1f} s"
    return f"held for a person in queue {hold['queue']}: {waited}; decided by {who}"


def _summary(told: Json) -> Iterator[str]:
    """What the timeline does not have."""
    yield ""
    cost = told["cost_microusd"]
    yield f"cost in all: {'not known' if cost is None else f'{cost:,} micro-USD'}, {len(told['attempts'])} attempts, {told['duration_ms'] or '-'} ms"
    if told["trace"]["link"]:
        yield f"trace: {told['trace']['link']}"
    yield from map(_held, told["holds"])
    for decision in told["decisions"]:
        choice = f", choice {decision['choice']}" if decision["choice"] else ""
        yield ""
        yield f"{decision['hook']} hook{choice}: {decision['outcome']}, because"
        why = decision["explanation"]
        lines = explanation_lines(why) if why["explained"] else iter([why["why"]])
        yield from (f"  {line}" for line in lines)
