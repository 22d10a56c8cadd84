"""``gateway routes``: which routes there are, and which target a request would be given to and why. Nothing is called."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

import click
import orjson

from gateway.capabilities.findings.memo import FindingsMemo
from gateway.capabilities.findings.options import ScanOptionsError
from gateway.capabilities.findings.scanner import Scanner
from gateway.capabilities.offers import meters_for, windows_for
from gateway.capabilities.redaction.redactor import Redactor
from gateway.capabilities.redaction.tenants import redactor_for
from gateway.capabilities.routing.selecting import with_windows
from gateway.domain import Json
from gateway.errors import InvalidRequest
from gateway.settings import Route, Settings, nearest
from gateway.surfaces.cli.config_file import Refusal, config_option, load_settings
from gateway.surfaces.cli.route_explanation import Assumed, as_json, as_lines, explain
from gateway.surfaces.cli.route_words import about, in_order
from gateway.surfaces.openai_chat import check_chat_request


@click.group(name="routes")
def command() -> None:
    """List the routes, and explain which target a request would be given to."""


@command.command(name="list")
@config_option
def list_routes(config: Path) -> None:
    """Print each route with its targets in the order in which they are tried, and what is left out."""
    settings = load_settings(config)
    for route in settings.routes.values():
        aliases = f" (also {', '.join(route.aliases)})" if route.aliases else ""
        click.echo(f"{route.name}{aliases} -> {in_order(route)}")
        for line in (*([route.description] if route.description else []), *about(route)):
            click.echo(f"    {line}")
    for part in settings.left_out:
        click.echo(f"left out: {part.where} (line {part.line}): {part.why}")


@command.command(name="explain")
@click.argument("source", metavar="FILE|-", type=click.File("rb"))
@click.option(
    "--tenant", default=None, help="Whose patterns and words findings are made with.  [default: the config's tenant if it is the only one, else none]"
)
@click.option("--label", "labels", metavar="NAME=VALUE", multiple=True, help="A label that policy would set; again for more.")
@click.option("--grant", "grants", metavar="ROUTE[/TARGET]", multiple=True, help="What policy would grant; again for more.  [default: all]")
@click.option("--intent", default="", help="The id of an intent: within a tier the order is drawn by it.")
@click.option("--json", "json_", is_flag=True, help="As a JSON object.")
@config_option
def explain_route(source: IO[bytes], config: Path, json_: bool, tenant: str | None, **assumed: Any) -> None:
    """Print which target the chat request in FILE would be given to, and why not another. Exits 1 where none may serve it."""
    body = _body(source)
    settings = load_settings(config)
    route = with_windows(_route(settings, body["model"]), windows_for(settings.targets))
    inspection = _redactor(settings, tenant).inspect(body)
    found = explain(body, route, inspection, meters_for(settings.targets), _assumed(settings, **assumed))
    if json_:
        click.echo(orjson.dumps(as_json(found), option=orjson.OPT_INDENT_2).decode())
    else:
        for line in as_lines(found):
            click.echo(line)
    if found.taken is None:
        raise click.exceptions.Exit(1)


def _body(source: IO[bytes]) -> Json:
    name = str(getattr(source, "name", "<stdin>"))
    try:
        body = orjson.loads(source.read())
    except orjson.JSONDecodeError as error:
        raise Refusal(f"{name}:{error.lineno}:{error.colno}: not JSON ({error.msg})") from None
    if not isinstance(body, dict):
        raise Refusal(f"{name}: the request must be an object, as POST /v1/chat/completions takes it")
    try:
        check_chat_request(body)
    except InvalidRequest as error:
        raise Refusal(f"{name}: {error}") from None
    return body


def _route(settings: Settings, name: str) -> Route:
    route = settings.routes_by_name.get(name)
    if route is None:
        gone = next((part.why for part in settings.left_out if part.where == f"routes.{name}"), None)
        hint = f"it is left out: {gone}" if gone else nearest(name, settings.routes_by_name)
        raise Refusal(f"{settings.path}: there is no route {name!r}" + (f" ({hint})" if hint else ""))
    return route


def _redactor(settings: Settings, tenant: str | None) -> Redactor:
    if tenant is None and len(settings.tenants) > 1:  # nobody's additions; placeholders are not shown, so any key will do
        scanner = Scanner()
        return Redactor(scanner, FindingsMemo(scanner, 0), os.urandom(32), history_room=0)
    name = next(iter(settings.tenants)) if tenant is None else tenant
    if name not in settings.tenants:
        raise Refusal(f"{settings.path}: there is no tenant {name!r} ({nearest(name, settings.tenants)})")
    try:
        return redactor_for(settings.tenants[name], 0)
    except ScanOptionsError as error:
        raise Refusal(f"{settings.path}: tenants.{name}.{error}") from None


def _assumed(settings: Settings, *, labels: tuple[str, ...], grants: tuple[str, ...], intent: str) -> Assumed:
    for grant in grants:
        name, _, target = grant.partition("/")
        if name not in settings.routes:
            raise Refusal(f"--grant {grant}: there is no route {name!r} ({nearest(name, settings.routes)})")
        targets = {entry.target.name for entry in settings.routes[name].targets}
        if target and target not in targets:
            raise Refusal(f"--grant {grant}: route {name} has no target {target!r} ({nearest(target, targets)})")
    pairs = {name: value for name, equals, value in (label.partition("=") for label in labels) if name and equals}
    if len(pairs) < len(labels):
        raise Refusal("--label needs NAME=VALUE, and each NAME once")
    return Assumed(granted=grants or None, labels=pairs, intent=intent)
