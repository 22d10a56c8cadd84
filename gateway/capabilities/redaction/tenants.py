"""A tenant of the config, and its redactor."""

from __future__ import annotations

from gateway.capabilities.findings.memo import FindingsMemo
from gateway.capabilities.findings.options import ScanOptions
from gateway.capabilities.findings.scanner import Scanner
from gateway.capabilities.redaction.redactor import Redactor
from gateway.settings import RedactionOptions, Tenant


def redactor_for(tenant: Tenant, memo_entries: int) -> Redactor:
    """The tenant's redactor, remembering the findings of so many texts.

    Raises:
        ScanOptionsError: The tenant's options do not compile.
    """
    scanner = Scanner(scan_options(tenant.redaction))
    return Redactor(scanner, FindingsMemo(scanner, memo_entries), tenant.placeholder_key.reveal(), history_room=4 * memo_entries)


def scan_options(options: RedactionOptions) -> ScanOptions:
    """What a tenant adds to what is found for everybody."""
    return ScanOptions(
        patterns=options.patterns,
        words={category: tuple(words) for category, words in options.words.items()},
        enable=frozenset(options.enable),
        countries=frozenset(options.countries),
    )
