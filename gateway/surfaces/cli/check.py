"""``gateway check``: compiles everything that the config names and prints what came out; with problems, all of them, and exit code 2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from gateway.settings import Settings, Target, Tenant
from gateway.surfaces.cli.config_file import config_option, load_settings


@click.command()
@config_option
def command(config: Path) -> None:
    """Check the config and print what it compiles to. Secrets are not shown."""
    settings = load_settings(config)
    for line in report(settings):
        click.echo(line)


def report(settings: Settings) -> Iterator[str]:
    """What the config compiled to, for people."""
    yield f"config     {settings.path}, version {settings.digest[:12]}"
    limits = settings.server.limits
    yield f"server     {_address(settings)}; at most {limits.in_flight} intents at once, bodies of {limits.body_bytes} bytes"
    yield f"database   {settings.database}"
    yield from (_tenant(tenant) for tenant in settings.tenants.values())
    yield from (_target(target) for target in settings.targets.values())
    for route in settings.routes.values():
        aliases = f" (also {', '.join(route.aliases)})" if route.aliases else ""
        yield f"route      {route.name}{aliases} -> {route.target.name}"
    yield from (f"left out   {part.where}: {part.why}" for part in settings.left_out)
    records = settings.records
    yield f"records    durable against loss of {records.durability}, heads in {records.heads}, content kept {records.retention_days} days"
    yield _telemetry(settings)


def _address(settings: Settings) -> str:
    host, port = settings.server.listen
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _tenant(tenant: Tenant) -> str:
    options = tenant.redaction
    parts = {
        "patterns": sorted(options.patterns),
        "words": sorted(options.words),
        "on without a cue": list(options.enable),
        "countries": list(options.countries),
    }
    added = "; ".join(f"{name} {', '.join(values)}" for name, values in parts.items() if values)
    return f"tenant     {tenant.name}: redaction adds {added or 'nothing'}"


def _target(target: Target) -> str:
    price = (
        f"{target.price.input_usd_per_mtok}/{target.price.output_usd_per_mtok} USD per million tokens in/out" if target.price else "priced by litellm's table"
    )
    key = f"key {target.api_key.source}" if target.api_key else "no key"
    return f"target     {target.name}: {target.model} at {target.base_url}, {key}, {price}, at most {target.limits.concurrent} calls at once"


def _telemetry(settings: Settings) -> str:
    traces, logs = settings.telemetry.traces, settings.telemetry.logs
    sent = (
        f"traces to {traces.endpoint} ({traces.protocol}), {'with' if traces.capture_content else 'without'} content"
        if traces.endpoint
        else "no traces are sent"
    )
    return f"telemetry  {sent}; logs {logs.format}, {logs.level} and above"
