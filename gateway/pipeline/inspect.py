"""Inspect: find what is sensitive in every string of the request, and say what could not be scanned."""

from __future__ import annotations

import asyncio

from gateway.capabilities.redaction.request import Inspection
from gateway.pipeline.intent import Intent
from gateway.pipeline.services import Services

LARGE = 131_072
"""Bytes from which a body is taken apart in a thread. What is found in 100 KB takes up to half a second: nobody else is to wait for that."""


async def inspect(services: Services, intent: Intent) -> Inspection:
    """The inspection of the intent's request by its tenant's redactor."""
    redactor, body = services.redactors[intent.subject.tenant], intent.call.body
    inspection = redactor.inspect(body) if intent.call.size < LARGE else await asyncio.to_thread(redactor.apart().inspect, body)
    totals: dict[str, int] = {}
    for finding in inspection.findings:
        totals[finding.category] = totals.get(finding.category, 0) + finding.count
    for category, count in totals.items():
        services.metrics.findings(category, count)
    return inspection
