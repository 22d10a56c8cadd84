"""Remembers what was found in which text, so that a conversation that is sent again every turn is scanned once."""

from __future__ import annotations

import hashlib
import secrets

from gateway.capabilities.findings.scanner import Scanner
from gateway.domain import Finding

_SHORT = 8
"""A text of fewer characters is scanned sooner than its digest is made and looked up."""


class FindingsMemo:
    """A scanner that remembers up to ``entries`` texts by a keyed digest. Neither texts nor an unkeyed digest of them are kept."""

    def __init__(self, scanner: Scanner, entries: int) -> None:
        self.scanner = scanner
        self.revision = scanner.revision
        self.hits = 0
        self.misses = 0
        self._entries = max(entries, 2)
        self._key = secrets.token_bytes(32)
        # Two generations: when the young one is full it becomes the old one, and what was not asked for meanwhile is dropped.
        self._young: dict[bytes, tuple[Finding, ...]] = {}
        self._old: dict[bytes, tuple[Finding, ...]] = {}

    def scan(self, text: str, key: str | None = None) -> tuple[Finding, ...]:
        """As ``Scanner.scan``."""
        if len(text) < _SHORT:
            return self.scanner.scan(text, key=key)
        named = text if key is None else f"{key}\0{text}"
        digest = hashlib.blake2b(named.encode("utf-8", "surrogatepass"), digest_size=16, key=self._key, person=b"key" if key is not None else b"").digest()
        found = self._young.get(digest)
        if found is None:
            found = self._old.get(digest)
            if found is None:
                self.misses += 1
                found = self.scanner.scan(text, key=key)
            else:
                self.hits += 1
            self._remember(digest, found)
        else:
            self.hits += 1
        return found

    @property
    def entries(self) -> int:
        """How many texts are remembered."""
        return len(self._young) + len(self._old)

    def _remember(self, digest: bytes, found: tuple[Finding, ...]) -> None:
        if len(self._young) >= self._entries // 2:
            self._old = self._young
            self._young = {}
        self._young[digest] = found
