"""Verdicts remembered by the very bytes that were decided, per revision."""

from __future__ import annotations

from typing import Final

from gateway.domain import Verdict

MAX_KEY_BYTES: Final = 16_384
"""A longer input is not remembered: it hardly comes twice, and it would hold memory."""


class VerdictMemo:
    """A bounded memory of one hook of one revision. Since the key is the whole projected input, subjects and tenants are told apart wherever policy can."""

    __slots__ = ("_entries", "_verdicts")

    def __init__(self, entries: int) -> None:
        """Remember at most ``entries`` verdicts; 0 remembers none."""
        self._entries = entries
        self._verdicts: dict[bytes, Verdict] = {}

    def get(self, document: bytes) -> Verdict | None:
        """The verdict that was given on exactly this input."""
        return self._verdicts.get(document)

    def put(self, document: bytes, verdict: Verdict) -> None:
        """Remember a verdict; the oldest one makes room."""
        if not self._entries or len(document) > MAX_KEY_BYTES:
            return
        if len(self._verdicts) >= self._entries:
            del self._verdicts[next(iter(self._verdicts))]
        self._verdicts[document] = verdict

    def __len__(self) -> int:
        return len(self._verdicts)
