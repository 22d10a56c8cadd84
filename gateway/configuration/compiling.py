"""Models and resolved references to the frozen objects of ``compiled``. Nothing can be wrong here any more."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from gateway.configuration.compiled import (
    DecisionLog,
    Keys,
    Listen,
    Opa,
    Policy,
    PolicyServer,
    PolicyShadow,
    Records,
    Redaction,
    RedactionOptions,
    Server,
    Settings,
    Telemetry,
    Tenant,
)
from gateway.configuration.compiled_options import NamedSchema
from gateway.configuration.compiling_queues import compile_queue, compile_waiting, payload_keys
from gateway.configuration.compiling_routes import compile_route, compile_target, compile_weights, left_out
from gateway.configuration.forms import is_postgres_url
from gateway.configuration.models import DecisionLogShape, FileShape, TenantShape
from gateway.configuration.models_policy import OpaShape, PolicyShape, ShadowShape
from gateway.configuration.problems import Where
from gateway.configuration.references import BUNDLE_KEY, BUNDLE_TOKEN, LOG_TOKEN, OPA_TOKEN, OPA_URL, Resolved
from gateway.configuration.secret import Secret, postgres_url
from gateway.configuration.source import Document


def compile_settings(document: Document, shape: FileShape, resolved: Resolved) -> Settings:
    """The settings of a document without problems."""
    folder = document.path.parent
    targets = {name: compile_target(name, target, resolved) for name, target in shape.targets.items() if name not in resolved.left_out}
    schemas = {name: NamedSchema(name=name, schema=schema) for name, schema in resolved.schemas.items()}
    routes = {name: route for name, written in shape.routes.items() if (route := compile_route(name, written, targets, schemas))}
    return Settings(
        path=document.path,
        digest=document.digest,
        server=Server(listen=_listen(shape.server.listen), limits=shape.server.limits, shutdown_s=shape.server.shutdown_s),
        keys=Keys(api_key_hash=_required(resolved, ("keys", "api_key_hash")), record_signing=_required(resolved, ("keys", "record_signing"))),
        database=_database(folder, shape.database, resolved),
        tenants=MappingProxyType({name: _tenant(name, tenant, resolved) for name, tenant in shape.tenants.items()}),
        targets=MappingProxyType(targets),
        schemas=MappingProxyType(schemas),
        confidence=compile_weights(shape.confidence.weights),
        routes=MappingProxyType(routes),
        routes_by_name=MappingProxyType({called: route for route in routes.values() for called in (route.name, *route.aliases)}),
        queues=MappingProxyType({name: compile_queue(name, queue, resolved) for name, queue in shape.queues.items()}),
        waiting=compile_waiting(shape.waiting),
        policy=_policy(folder, shape.policy, resolved),
        redaction=Redaction(memo_entries=shape.redaction.memo_entries),
        records=Records(
            durability=shape.records.durability,
            heads=folder / shape.records.heads,
            retention_days=shape.records.retention_days,
            gather_ms=shape.records.gather_ms,
        ),
        telemetry=Telemetry(traces=shape.telemetry.traces, logs=shape.telemetry.logs),
        decision_log=None if shape.decision_log is None else _decision_log(folder, shape.decision_log, resolved),
        left_out=tuple(left_out(document, shape.routes, resolved)),
    )


def _tenant(name: str, shape: TenantShape, resolved: Resolved) -> Tenant:
    return Tenant(
        name=name,
        placeholder_key=_required(resolved, ("tenants", name, "placeholder_key")),
        redaction=_frozen(shape.redaction),
        payload_keys=payload_keys(name, len(shape.older_payload_keys), resolved),
    )


def _policy(folder: Path, shape: PolicyShape, resolved: Resolved) -> Policy:
    server = shape.bundle
    return Policy(
        path=folder / shape.path,
        bundle=None if server is None else PolicyServer(url=server.url, poll_s=server.poll_s, token=resolved.secrets.get(BUNDLE_TOKEN)),
        bundle_key=resolved.secrets.get(BUNDLE_KEY),
        keep=folder / shape.keep,
        reload_s=shape.reload_s,
        trial_s=shape.trial_s,
        timeout_s=shape.timeout_s,
        memo_entries=shape.memo_entries,
        opa=_opa(shape.opa, resolved) if shape.engine == "opa" else None,
        shadow=None if shape.shadow is None else _shadow(folder, shape.shadow),
    )


def _decision_log(folder: Path, shape: DecisionLogShape, resolved: Resolved) -> DecisionLog:
    file = None if shape.file is None else folder / shape.file
    return DecisionLog(file=file, url=shape.url, token=resolved.secrets.get(LOG_TOKEN), batch=shape.batch, poll_s=shape.poll_s)


def _shadow(folder: Path, shape: ShadowShape) -> PolicyShadow:
    return PolicyShadow(
        path=folder / shape.path,
        sample=shape.sample,
        max_share=shape.max_share,
        queue_entries=shape.queue_entries,
        memo_entries=shape.memo_entries,
    )


def _opa(shape: OpaShape, resolved: Resolved) -> Opa:
    return Opa(
        url=resolved.texts.get(OPA_URL, shape.url),
        token=resolved.secrets.get(OPA_TOKEN),
        timeout_s=shape.timeout_ms / 1000,
        fallback=shape.fallback == "embedded",
    )


def _database(folder: Path, database: str, resolved: Resolved) -> Path | Secret:
    """By reference, as the URL that stands in the file (it has no password), or as a path."""
    referred = resolved.secrets.get(("database",))
    if referred is not None:
        return referred
    return Secret(postgres_url(database.encode()), database) if is_postgres_url(database) else folder / database


def _frozen(options: RedactionOptions) -> RedactionOptions:
    return options.model_copy(update={"patterns": MappingProxyType(dict(options.patterns)), "words": MappingProxyType(dict(options.words))})


def _listen(text: str) -> Listen:
    host, _, port = text.rpartition(":")
    return Listen(host.strip("[]"), int(port))


def _required(resolved: Resolved, where: Where) -> Secret:
    secret = resolved.secrets[where]
    if secret is None:
        raise LookupError("a required secret passed the checks without a value")
    return secret
