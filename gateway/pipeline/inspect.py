"""Inspect: find what is sensitive in every string of the request, and say what could not be scanned."""

from __future__ import annotations

from gateway.capabilities.redaction.request import Inspection
from gateway.pipeline.intent import Intent
from gateway.pipeline.services import Services


def inspect(services: Services, intent: Intent) -> Inspection:
    """The inspection of the intent's request by its tenant's redactor."""
    inspection = services.redactors[intent.subject.tenant].inspect(intent.call.body)
    totals: dict[str, int] = {}
    for finding in inspection.findings:
        totals[finding.category] = totals.get(finding.category, 0) + finding.count
    for category, count in totals.items():
        services.metrics.findings(category, count)
    return inspection
