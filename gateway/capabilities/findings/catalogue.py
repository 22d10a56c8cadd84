"""All recognisers and finders there are, the names of what they find, and which of them a tenant's options switch on without a cue."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import replace

from gateway.capabilities.findings.cues import CUES, Cues
from gateway.capabilities.findings.detectors import (
    assignments,
    contact,
    ids_americas,
    ids_asia_pacific,
    ids_europe,
    ids_germany,
    ids_uk_nordic,
    payment,
    secrets,
)
from gateway.capabilities.findings.detectors.banking import find_ibans
from gateway.capabilities.findings.detectors.email import find_emails
from gateway.capabilities.findings.detectors.network import find_network
from gateway.capabilities.findings.model import Recogniser
from gateway.capabilities.findings.options import ScanOptions, ScanOptionsError
from gateway.domain import SECRET

TABLE_VERSION = "1"
"""Raised whenever a change of code changes what is found: memos and records tell revisions apart by it."""

RECOGNISERS: tuple[Recogniser, ...] = (
    *payment.RECOGNISERS,
    *contact.RECOGNISERS,
    *ids_americas.RECOGNISERS,
    *ids_uk_nordic.RECOGNISERS,
    *ids_europe.RECOGNISERS,
    *ids_germany.RECOGNISERS,
    *ids_asia_pacific.RECOGNISERS,
)

FINDERS = (find_emails, find_ibans, find_network, *secrets.FINDERS, *assignments.FINDERS)

CATEGORIES = frozenset({row.category for row in RECOGNISERS} | {"EMAIL_ADDRESS", "IBAN_CODE", "IP_ADDRESS", "MAC_ADDRESS", "CRYPTO", SECRET})
"""Every category that the gateway knows by itself."""

COUNTRIES = frozenset({row.country for row in RECOGNISERS if row.country})
"""Countries that have a pack."""

CUED = {category: Cues(words) for category, words in CUES.items()}
_NAME = re.compile(r"[A-Z][A-Z_]{0,63}\Z")


def _unknown(kind: str, option: str, name: str, known: Iterable[str]) -> ScanOptionsError:
    near = difflib.get_close_matches(name.upper(), sorted(known), n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return ScanOptionsError(f"redaction.{option}: unknown {kind} {name!r}{hint}", option=option, name=name)


def check_options(options: ScanOptions) -> None:
    """Raises ``ScanOptionsError`` for names that are not known, or that no category may have."""
    for name in sorted(options.enable):
        if name not in CATEGORIES and name not in options.patterns and name not in options.words:
            raise _unknown("category", "enable", name, CATEGORIES)
    for name in sorted(options.countries):
        if name not in COUNTRIES:
            raise _unknown("country", "countries", name, COUNTRIES)
    for option, names in (("patterns", options.patterns), ("words", options.words)):
        for name in names:
            if not _NAME.match(name) or name == SECRET:
                raise ScanOptionsError(
                    f"redaction.{option}: {name!r} cannot name a category: capitals and _ only, at most 64, and not SECRET", option=option, name=name
                )


def recognisers_for(options: ScanOptions) -> tuple[Recogniser, ...]:
    """The table as the options make it: what is enabled needs no cue."""
    return tuple(replace(row, cued=False) if row.cued and (row.category in options.enable or row.country in options.countries) else row for row in RECOGNISERS)
