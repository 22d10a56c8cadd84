"""``gateway keys``: create, list and revoke API keys, one tenant at a time. A change reaches every serving process within half a second."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from gateway.capabilities.keys import KeyStore
from gateway.settings import Settings
from gateway.surfaces.cli.config_file import Refusal, config_option, load_settings
from gateway.surfaces.cli.ledger_options import clear_errors, clock, duration_ns, open_database, tenant_option


@click.group()
def command() -> None:
    """Create, list and revoke API keys."""


@command.command()
@tenant_option
@click.option("--name", default="", help="What the key is for.")
@click.option("--team", "teams", multiple=True, help="A team that policy sees; may be repeated.")
@click.option("--role", "roles", multiple=True, help="A role that policy sees; `operator` may also read /metrics and /docs. May be repeated.")
@click.option("--route", "routes", multiple=True, help="A route that the key may use; may be repeated. Without it: all.")
@click.option("--expires", help="When it ends, from now: 30d, 12h ... Without it: never.")
@config_option
def create(config: Path, tenant: str, **options: object) -> None:
    """Create a key and print it. It is shown this once."""
    settings = load_settings(config)
    texts = {name: tuple(str(value) for value in values) for name, values in options.items() if isinstance(values, tuple)}
    _check_texts(str(options["name"]), *texts["teams"], *texts["roles"])
    _check_routes(settings, texts["routes"])
    expires_ns = _expiry(str(options["expires"])) if options["expires"] else None
    with clear_errors():
        raw, key = _store(settings, tenant).create(tenant=tenant, name=str(options["name"]), expires_ns=expires_ns, **texts)
    click.echo(raw)
    click.echo(f"key {key.id} of tenant {tenant}: keep it now, it cannot be shown again", err=True)


@command.command("list")
@tenant_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@config_option
def list_keys(config: Path, tenant: str, *, as_json: bool) -> None:
    """List a tenant's keys: all but their secrets."""
    with clear_errors():
        keys = _store(load_settings(config), tenant).of_tenant(tenant)
    now = time.time_ns()
    for key in keys:
        state = key.state(now)
        if as_json:
            click.echo(json.dumps({**asdict(key), "state": state}))
        else:
            groups = f"teams={','.join(key.teams) or '-'} roles={','.join(key.roles) or '-'} routes={','.join(key.routes)}"
            click.echo(f"{key.id}  {state:<7}  created {clock(key.created_ns)}  expires {clock(key.expires_ns):<20}  {groups}  {key.name}".rstrip())
    if not keys and not as_json:
        click.echo(f"tenant {tenant} has no keys; make one with `gateway keys create --tenant {tenant}`", err=True)


@command.command()
@tenant_option
@click.argument("key_id", metavar="ID")
@config_option
def revoke(config: Path, tenant: str, key_id: str) -> None:
    """Revoke a key for good."""
    with clear_errors():
        found = _store(load_settings(config), tenant).revoke(tenant, key_id)
    if not found:
        raise Refusal(f"tenant {tenant} has no key {key_id}; see `gateway keys list --tenant {tenant}`")
    click.echo(f"revoked {key_id}")


def _store(settings: Settings, tenant: str) -> KeyStore:
    return KeyStore(open_database(settings, tenant), settings.keys.api_key_hash.reveal())


def _check_routes(settings: Settings, routes: tuple[str, ...]) -> None:
    for route in routes:
        if route != "*" and route not in settings.routes:
            raise Refusal(f"--route {route}: {settings.path} has no such route; it has {', '.join(sorted(settings.routes)) or 'none'}")


def _check_texts(*texts: str) -> None:
    """An argument that is not in UTF-8 comes with lone surrogates, which nothing can store."""
    for text in texts:
        if not text.isprintable():
            raise Refusal("--name, --team or --role: is not UTF-8, or has characters that cannot be printed")


def _expiry(text: str) -> int:
    try:
        return time.time_ns() + duration_ns(text)
    except ValueError as error:
        raise Refusal(f"--expires: {error}") from None
