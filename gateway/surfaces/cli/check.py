"""``gateway check``: compiles everything that the config names and prints what came out; with problems, all of them, and exit code 2."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from gateway.capabilities.findings.options import ScanOptions, ScanOptionsError
from gateway.capabilities.findings.scanner import Scanner
from gateway.capabilities.policy.bundle import Bundle, load_bundle
from gateway.capabilities.policy.loading import compile_policy
from gateway.capabilities.policy.policy import Policy
from gateway.capabilities.policy.problems import PolicyError
from gateway.capabilities.policy.problems import Problem as PolicyProblem
from gateway.capabilities.policy.sources import SourceOptions, kept_of, key_of, look_once, options_of
from gateway.capabilities.redaction.tenants import scan_options
from gateway.capabilities.routing_check import problems_of
from gateway.domain import StreamMode
from gateway.infrastructure.database import Database, DatabaseError
from gateway.settings import Parts, Problem, RedactionOptions, Route, Secret, Settings, SettingsError, Target, Tenant, load, parts_of
from gateway.surfaces.cli.config_file import Refusal, config_option, refusing
from gateway.surfaces.cli.opa_words import about_opa, ask_opa
from gateway.surfaces.cli.queue_words import about_queues, about_waiting
from gateway.surfaces.cli.route_words import about, in_order


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """Everything that a config compiles to."""

    settings: Settings
    policy: Policy
    bundle: Bundle
    """What the policy was compiled from."""
    warnings: tuple[str, ...]
    """Why it is the kept bundle, where it is not what the server has now."""
    scanners: dict[str, Scanner]
    """By tenant."""
    database: str
    """Where it is; of a server's URL neither user nor password."""


@click.command()
@click.option("--online", is_flag=True, help="Ask the policy's servers: for the bundle, and whether OPA decides by it. Nothing else is called.")
@config_option
def command(config: Path, online: bool) -> None:
    """Check the config and print what it compiles to. Secrets are not shown."""
    compiled = compile_all(config, online=online)
    for line in report(compiled):
        click.echo(line)
    if online and compiled.settings.policy.opa is not None:
        click.echo(f"           {ask_opa(compiled.settings.policy.opa, compiled.policy.names)}")


def compile_all(config: Path, *, online: bool = False) -> Compiled:
    """Compile the config, its schemas, its policy and its tenants' redaction options. A server of policy is asked if ``online``, else the kept bundle counts.

    Raises:
        Refusal: with the problems of all of them.
    """
    parts = refusing(parts_of, config)
    problems: list[Problem] = []
    scanners = {tenant: scanner for tenant, options in parts.redaction.items() if (scanner := _scanner(parts, tenant, options, problems))}
    settings = None
    try:
        settings = load(config)
        problems.extend(problems_of(settings))
    except SettingsError as error:
        problems.extend(error.problems)
    lines = [str(problem) for problem in SettingsError(problems).problems]
    options = options_of(settings.policy) if settings else SourceOptions(path=parts.policy)
    warnings: list[str] = []
    bundle = policy = None
    try:
        bundle = _bundle(options, warnings, online=online)
        policy = compile_policy(bundle)
    except PolicyError as error:
        lines.extend(f"{options.path}/{problem}" if problem.line and options.server is None else str(problem) for problem in error.problems)
    database = _database(settings, lines)
    if settings is None or policy is None or bundle is None or lines:
        raise Refusal("\n".join(lines))
    return Compiled(settings=settings, policy=policy, bundle=bundle, warnings=tuple(warnings), scanners=scanners, database=database)


def _bundle(options: SourceOptions, warnings: list[str], *, online: bool) -> Bundle:
    """What a gateway of this config would load; why it is not what its source has now goes to ``warnings``."""
    if options.server is None:
        return load_bundle(options.path, key_of(options))
    if online:
        found = asyncio.run(look_once(options))
        warnings.extend(str(found.instead).split("\n") if found.instead else ())
        return found.bundle
    kept = kept_of(options)
    if kept is None:
        raise PolicyError([PolicyProblem(options.server.url, 0, 0, "no bundle of this server is kept yet", "ask it: gateway check --online")])
    warnings.append("the bundle as it was kept; --online asks the server for it")
    return kept


def _database(settings: Settings | None, lines: list[str]) -> str:
    """Where the database is. It is not asked."""
    try:
        place = Database(settings.database).place if settings else ""
        return f"{place} ({settings.database.source})" if settings and isinstance(settings.database, Secret) else place
    except DatabaseError as error:
        lines.append(f"{settings.path if settings else ''}: {error}")
        return ""


def _scanner(parts: Parts, tenant: str, options: RedactionOptions, problems: list[Problem]) -> Scanner | None:
    try:
        return Scanner(scan_options(options))
    except ScanOptionsError:
        pass
    for one in _one_by_one(options):  # a scanner stops at the first problem; this finds all of them
        try:
            Scanner(one)
        except ScanOptionsError as error:
            problems.append(parts.problem(("tenants", tenant, "redaction", error.option, error.name), _without_place(error)))
    return None


def _one_by_one(options: RedactionOptions) -> Iterator[ScanOptions]:
    yield from (ScanOptions(patterns={category: pattern}) for category, pattern in options.patterns.items())
    yield from (ScanOptions(words={category: words}) for category, words in options.words.items())
    yield from (ScanOptions(enable=frozenset({category})) for category in options.enable)
    yield from (ScanOptions(countries=frozenset({country})) for country in options.countries)


def _without_place(error: ScanOptionsError) -> str:
    """The message without the place in the config, which the problem names."""
    return str(error).removeprefix(f"redaction.{error.option}: ").removeprefix(f"{error.name}: ")


def report(compiled: Compiled) -> Iterator[str]:
    """What the config compiled to, for people."""
    settings, limits = compiled.settings, compiled.settings.server.limits
    yield f"config     {settings.path}, version {settings.digest[:12]}"
    yield f"server     {_address(settings)}; at most {limits.in_flight} intents at once, bodies of {limits.body_bytes} bytes"
    yield f"database   {compiled.database}"
    yield _policy(compiled)
    yield from (f"           {line}" for line in compiled.warnings)
    if settings.policy.opa is not None:
        yield f"engine     {about_opa(settings.policy.opa)}"
    yield from (_tenant(tenant, compiled.scanners[tenant.name]) for tenant in settings.tenants.values())
    yield from (_target(target) for target in settings.targets.values())
    yield from (f"schema     {name}: a JSON Schema {_users(settings, name)}" for name in settings.schemas)
    for route in settings.routes.values():
        yield _route(route, compiled.policy)
        yield from (f"           {line}" for line in about(route))
        if settings.queues:
            yield f"           {about_waiting(route.wait_s)}"
    yield from (f"left out   {part.where} (line {part.line}): {part.why}" for part in settings.left_out)
    yield from about_queues(settings)
    records = settings.records
    yield f"records    durable against loss of {records.durability}, heads in {records.heads}, content kept {records.retention_days} days"
    yield _telemetry(settings)


def _policy(compiled: Compiled) -> str:
    settings, bundle = compiled.settings.policy, compiled.bundle
    place = settings.bundle.url if settings.bundle else settings.path
    label = f" ({bundle.manifest.revision})" if bundle.manifest.revision else ""
    signed = f", signed: {bundle.signed}" if bundle.signed else ""
    if not signed and (settings.bundle or settings.path.is_file()):
        signed = ", signature not checked: there is no policy.bundle_key"
    return f"policy     {place}, revision {bundle.revision[:12]}{label}{signed}"


def _users(settings: Settings, name: str) -> str:
    users = [route.name for route in settings.routes.values() if route.schema and route.schema.name == name]
    return f"for answers of {', '.join(users)}, and where policy requires it" if users else "where policy requires it"


def _route(route: Route, policy: Policy) -> str:
    aliases = f" (also {', '.join(route.aliases)})" if route.aliases else ""
    return f"route      {route.name}{aliases} -> {in_order(route)}; streams {_stream_mode(route, policy)}"


def _stream_mode(route: Route, policy: Policy) -> str:
    """The mode in which streams leave, and why."""
    if route.schema or route.assessment:
        return f"{StreamMode.BUFFERED}: an answer that {'meets a schema' if route.schema else 'is assessed'} has to be whole then"
    if route.buffered:
        return f"{StreamMode.BUFFERED}: the route says so"
    if policy.reads_answer_content:
        return f"{StreamMode.BUFFERED}: the answer policy reads the content, which has to be whole then"
    return f"{StreamMode.PASS}, as they come: the answer policy does not read the content"


def _address(settings: Settings) -> str:
    host, port = settings.server.listen
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _tenant(tenant: Tenant, scanner: Scanner) -> str:
    options = tenant.redaction
    parts = {
        "patterns": sorted(options.patterns),
        "words": sorted(options.words),
        "on without a cue": list(options.enable),
        "countries": list(options.countries),
    }
    added = "; ".join(f"{name} {', '.join(values)}" for name, values in parts.items() if values)
    return f"tenant     {tenant.name}: redaction adds {added or 'nothing'}; revision {scanner.revision[:12]}"


def _target(target: Target) -> str:
    price = (
        f"{target.price.input_usd_per_mtok}/{target.price.output_usd_per_mtok} USD per million tokens in/out" if target.price else "priced by litellm's table"
    )
    key = f"key {target.api_key.source}" if target.api_key else "no key"
    server = target.base_url or f"{target.provider}'s own address"
    through = f", through litellm as {target.provider}" if target.provider else ""
    return f"target     {target.name}: {target.model} at {server}{through}, {key}, {price}, at most {target.limits.concurrent} calls at once"


def _telemetry(settings: Settings) -> str:
    traces, logs = settings.telemetry.traces, settings.telemetry.logs
    sent = (
        f"traces to {traces.endpoint} ({traces.protocol}), {'with' if traces.capture_content else 'without'} content"
        if traces.endpoint
        else "no traces are sent"
    )
    return f"telemetry  {sent}; logs {logs.format}, {logs.level} and above"
