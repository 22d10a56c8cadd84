"""Identify: who is calling. Until a tenant is known there is nothing to record, only counters and rate-limited log lines."""

from __future__ import annotations

from gateway.domain import Subject
from gateway.errors import Unauthenticated
from gateway.infrastructure.telemetry.logs import RateLimitedLog
from gateway.pipeline.services import Services

rejected = RateLimitedLog("key.rejected")


def identify_key(services: Services, key: str) -> Subject:
    """The subject that a key stands for.

    Raises:
        Unauthenticated: No key, or one that is unknown, revoked or expired; the caller is not told which.
    """
    try:
        subject = services.keys.identify(key)
    except Unauthenticated as error:
        services.metrics.key_rejected(error.reason_code)
        rejected.warning(error.reason_code)
        raise Unauthenticated(error.message) from None
    if subject.tenant not in services.redactors:
        services.metrics.key_rejected("tenant_unknown")
        rejected.warning("tenant_unknown")
        raise Unauthenticated("the key belongs to a tenant that this gateway does not serve; ask its operator")
    return subject
