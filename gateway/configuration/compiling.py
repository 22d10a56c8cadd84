"""Models and resolved references to the frozen objects of ``compiled``. Nothing can be wrong here any more."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

from gateway.configuration.compiled import (
    Keys,
    LeftOut,
    Listen,
    Policy,
    Price,
    Records,
    Redaction,
    RedactionOptions,
    Route,
    Server,
    Settings,
    Target,
    Telemetry,
    Tenant,
)
from gateway.configuration.models import FileShape, PolicyShape, PriceShape, TargetShape
from gateway.configuration.problems import Where
from gateway.configuration.references import Resolved
from gateway.configuration.secret import Secret
from gateway.configuration.source import Document


def compile_settings(document: Document, shape: FileShape, resolved: Resolved) -> Settings:
    """The settings of a document without problems."""
    folder = document.path.parent
    targets = {name: _target(name, target, resolved) for name, target in shape.targets.items() if name not in resolved.left_out}
    routes = {
        name: Route(name=name, target=targets[route.target], aliases=route.aliases, description=route.description)
        for name, route in shape.routes.items()
        if route.target in targets
    }
    return Settings(
        path=document.path,
        digest=document.digest,
        server=Server(listen=_listen(shape.server.listen), limits=shape.server.limits, shutdown_s=shape.server.shutdown_s),
        keys=Keys(api_key_hash=_required(resolved, ("keys", "api_key_hash")), record_signing=_required(resolved, ("keys", "record_signing"))),
        database=folder / shape.database,
        tenants=MappingProxyType(
            {
                name: Tenant(name=name, placeholder_key=_required(resolved, ("tenants", name, "placeholder_key")), redaction=_frozen(tenant.redaction))
                for name, tenant in shape.tenants.items()
            }
        ),
        targets=MappingProxyType(targets),
        routes=MappingProxyType(routes),
        routes_by_name=MappingProxyType({called: route for route in routes.values() for called in (route.name, *route.aliases)}),
        policy=_policy(folder, shape.policy),
        redaction=Redaction(memo_entries=shape.redaction.memo_entries),
        records=Records(
            durability=shape.records.durability,
            heads=folder / shape.records.heads,
            retention_days=shape.records.retention_days,
            gather_ms=shape.records.gather_ms,
        ),
        telemetry=Telemetry(traces=shape.telemetry.traces, logs=shape.telemetry.logs),
        left_out=_left_out(shape, resolved),
    )


def _policy(folder: Path, shape: PolicyShape) -> Policy:
    return Policy(path=folder / shape.path, reload_s=shape.reload_s, trial_s=shape.trial_s, timeout_s=shape.timeout_s, memo_entries=shape.memo_entries)


def _left_out(shape: FileShape, resolved: Resolved) -> tuple[LeftOut, ...]:
    targets = [LeftOut(f"targets.{name}", why) for name, why in resolved.left_out.items()]
    routes = [LeftOut(f"routes.{name}", f"target {route.target} is left out") for name, route in shape.routes.items() if route.target in resolved.left_out]
    return (*targets, *routes)


def _target(name: str, shape: TargetShape, resolved: Resolved) -> Target:
    return Target(
        name=name,
        base_url=resolved.texts.get(("targets", name, "base_url"), shape.base_url).rstrip("/"),
        model=resolved.texts.get(("targets", name, "model"), shape.model),
        api_key=resolved.secrets.get(("targets", name, "api_key")),
        max_tokens_field=shape.max_tokens_field,
        limits=shape.limits,
        price=_price(shape.price) if shape.price else None,
    )


def _price(shape: PriceShape) -> Price:
    """Decimals as written: ``0.15`` is 15 hundredths, not the nearest binary fraction."""
    return Price(Decimal(repr(shape.input_usd_per_mtok)), Decimal(repr(shape.output_usd_per_mtok)))


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
