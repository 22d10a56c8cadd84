"""One redactor per tenant: its scanner, its memo and its placeholder key."""

from __future__ import annotations

from gateway.capabilities.redaction.history import History
from gateway.capabilities.redaction.request import Inspection, Tenant
from gateway.capabilities.redaction.scanning import Clean, CleanTexts, CleanWords, SlicedScanner, StreamingScanner, TextScanner
from gateway.domain import Json

_CLEAN_ENTRIES = 20_000


class Redactor:
    """Inspects requests for one tenant.

    ``scanner`` scans answers and streams, ``memo`` the texts of requests, which come again with every turn; ``key`` is the tenant's placeholder key.
    ``history_room`` bounds what is remembered of messages, in messages and findings: 100,000 are at most some 40 MB, 0 remembers none.
    """

    def __init__(self, scanner: StreamingScanner, memo: TextScanner, key: bytes, *, history_room: int = 100_000) -> None:
        clean = Clean(CleanTexts(_CLEAN_ENTRIES), CleanWords(_CLEAN_ENTRIES))
        self._scanner, self._key = scanner, key
        self._tenant = Tenant(scanner=SlicedScanner(scanner), memo=memo, key=key, clean=clean, history=History(history_room))

    def inspect(self, body: Json) -> Inspection:
        """Scan every leaf of a chat completions request. ``body`` is not changed, and must not be changed while its inspection is used."""
        return Inspection(self._tenant, body)

    def apart(self) -> Redactor:
        """The same redactor without what this one remembers, for one large request in a thread of its own: memories belong to one thread."""
        return Redactor(self._scanner, self._tenant.scanner, self._key, history_room=0)
