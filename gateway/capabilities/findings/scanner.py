"""Finds sensitive values in a text: the face of this package. Read ``engine`` next."""

from __future__ import annotations

import re

from gateway.capabilities.findings.engine import Engine
from gateway.capabilities.findings.options import ScanOptions
from gateway.capabilities.findings.plain import LONGEST
from gateway.capabilities.findings.stream import StreamScanner
from gateway.domain import Finding

_KEY_CHARS = 48
_UNSAFE_IN_KEY = re.compile(r"[^\w .\-]")


class Scanner:
    """A compiled set of recognisers. Raises ``ScanOptionsError`` for options that make no sense."""

    def __init__(self, options: ScanOptions | None = None) -> None:
        self._engine = Engine(options or ScanOptions())
        self.revision: str = self._engine.revision
        """What tells this set of recognisers from another."""

    def scan(self, text: str, key: str | None = None) -> tuple[Finding, ...]:
        """The findings of ``text``, in order, without overlaps. ``key`` is the JSON key under which it stands: as good as a word before it."""
        if not text:
            return ()
        prefix = _cue(key)
        if len(text) <= LONGEST and self._engine.plain.possible and self._engine.plain.nothing_in(prefix, text):
            return ()
        base = len(prefix)
        accepted = self._engine.examine(prefix + text, base=base, final=True, resume=self._engine.start_places(base)).accepted
        return tuple(Finding(found.category, found.start - base, found.end - base) for found in accepted)

    def stream(self, key: str | None = None) -> StreamScanner:
        """A scan of one text that comes in pieces; ``key`` as for ``scan``."""
        return StreamScanner(self._engine, _cue(key))


def _cue(key: str | None) -> str:
    """The key as it would stand before its value in JSON."""
    return f'"{_UNSAFE_IN_KEY.sub(" ", key[-_KEY_CHARS:])}": "' if key else ""
