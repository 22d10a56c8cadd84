"""What operators and their tools look at: ``/healthz``, ``/readyz``, ``/metrics``; and who may see it."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from gateway.capabilities.policy.decider import PolicyStatus
from gateway.capabilities.policy.opa_engine import OpaEngine
from gateway.errors import Forbidden
from gateway.pipeline.identify import identify_key
from gateway.pipeline.services import Services
from gateway.surfaces.http_request import Scope, bearer_key

OPERATOR = "operator"
_FORWARDED = (b"forwarded", b"x-forwarded-", b"x-original-", b"x-real-ip", b"via", b"cf-", b"true-client-ip")
"""How headers begin that proxies add."""


def require_operator(services: Services, scope: Scope) -> None:
    """Let pass a direct call from this machine, or a key with role ``operator``. A call through a proxy on this machine is not a direct one.

    Raises:
        Forbidden: Neither.
        Unauthenticated: The key is not known.
    """
    if is_loopback(scope):
        return
    subject = identify_key(services, bearer_key(scope))
    if OPERATOR not in subject.roles:
        raise Forbidden(f"this endpoint answers on loopback, or to a key with role {OPERATOR}")


def is_loopback(scope: Scope) -> bool:
    """Whether the peer is this machine itself, not a proxy that speaks for somebody else, nor a page whose name was made to lead here."""
    client = scope.get("client")
    if client is None or any(name.startswith(_FORWARDED) for name, _ in scope["headers"]):
        return False
    return _is_local(f"[{client[0]}]" if ":" in client[0] else client[0]) and all(
        _is_local(value.decode("latin-1")) for name, value in scope["headers"] if name == b"host"
    )


def _is_local(authority: str) -> bool:
    """Whether ``HOST`` or ``HOST:PORT`` names this machine."""
    try:
        host = urlsplit(f"//{authority}").hostname
        return host == "localhost" or (host is not None and ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


def operations_router(services: Services) -> APIRouter:
    """The endpoints over ``services``."""
    router = APIRouter(tags=["Operations"])

    @router.get("/healthz", summary="Whether the process lives")
    async def healthz() -> dict[str, str]:
        """Always 200 while the process can answer at all."""
        return {"status": "ok"}

    @router.get("/readyz", summary="Whether the gateway can serve intents")
    async def readyz(response: Response) -> dict[str, Any]:
        """503 where intents would be refused: draining, no policy, nobody who may decide, or no database.

        A failed policy reload is reported, and the last good one serves; so is an OPA server in whose place the embedded engine decides.
        """
        report = readiness(services)
        response.status_code = 200 if report["status"] != "unready" else 503
        return report

    @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        """On loopback, or to a key with role operator."""
        require_operator(services, request.scope)
        content, kind = services.metrics.render()
        return Response(content, media_type=kind)

    return router


def readiness(services: Services) -> dict[str, Any]:
    """What the gateway stands on, and whether that is enough to serve."""
    policy = services.policy.status
    opa = services.policy.opa
    decides = opa is None or services.policy.decides_in_opa
    elsewhere = {} if opa is None else {"opa": opa_check(opa, decides=decides)}
    checks = {
        "policy": {"revision": policy.revision, **_of_bundle(policy), "reload_error": policy.error or None, **elsewhere},
        "records": {"available": services.records.available},
        "draining": services.limits.draining,
    }
    nobody = not policy.live or not (decides or (opa is not None and opa.fallback))
    unready = services.limits.draining or nobody or not services.records.available
    return {"status": "unready" if unready else "ready" if decides and not policy.error else "degraded", **checks}


def _of_bundle(policy: PolicyStatus) -> dict[str, Any]:
    """The author's name for the revision where it has one, and whether it is the kept bundle in place of what the source has."""
    return ({"label": policy.label} if policy.label else {}) | ({"kept": True} if policy.kept else {})


def opa_check(opa: OpaEngine, *, decides: bool) -> dict[str, Any]:
    """What is known of the OPA server that decides, and who does while it cannot be asked."""
    status = opa.status
    return {
        "reachable": status.reachable,
        "error": status.why or None,
        "decides": decides,
        "revisions": sorted(status.revisions),
        "fallback": "embedded" if opa.fallback else "none",
    }
