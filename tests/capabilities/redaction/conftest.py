"""A small scanner with the protocol of the real one, so that these tests know exactly what is found."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from gateway.capabilities.redaction.redactor import Redactor
from gateway.capabilities.redaction.request import Inspection
from gateway.capabilities.redaction.scanning import Segment, WholeSegments
from gateway.domain import Destination, Finding, Json, Obligations

_FOUND = re.compile(r"(?P<EMAIL_ADDRESS>[a-z0-9.\"\\]+@[a-z0-9]+\.[a-z]+)|(?P<CREDIT_CARD>\b[0-9]{16}\b)|(?P<SECRET>sk-[a-zA-Z0-9]{8,})")
KEY = b"k" * 32


class TokenScanner:
    """Finds e-mail addresses, cards and secrets, none of which holds a space, and numbers under the key ``ssn``."""

    def scan(self, text: str, *, key: str | None = None) -> tuple[Finding, ...]:
        if key == "ssn" and text.isdigit():
            return (Finding("US_SSN", 0, len(text)),)
        return tuple(Finding(match.lastgroup or "", match.start(), match.end()) for match in _FOUND.finditer(text))

    def stream(self, key: str | None = None) -> TokenStream:
        return TokenStream(self, key)


class TokenStream:
    """Holds the last token back, as what comes next may complete it."""

    def __init__(self, scanner: TokenScanner, key: str | None) -> None:
        self._scanner = scanner
        self._key = key
        self._held = ""

    def push(self, delta: str, /) -> list[Segment]:
        text = self._held + delta
        cut = 0 if self._key == "ssn" else text.rfind(" ") + 1
        self._held = text[cut:]
        return self._segments(text[:cut])

    def finish(self) -> list[Segment]:
        text, self._held = self._held, ""
        return self._segments(text)

    def _segments(self, text: str) -> list[Segment]:
        whole = WholeSegments(self._scanner.scan, self._key)
        whole.push(text)
        return list(whole.finish())


@pytest.fixture(scope="session")
def redactor() -> Redactor:
    return Redactor(TokenScanner(), TokenScanner(), KEY)


@pytest.fixture(scope="session")
def sent(redactor: Redactor) -> Callable[..., tuple[Inspection, Json]]:
    """Inspects a request of one user message (and more parameters) and assembles it for the model with nothing revealed."""

    def send(text: str, obligations: Obligations | None = None, **parameters: Any) -> tuple[Inspection, Json]:
        inspection = redactor.inspect({"model": "assistant", "messages": [{"role": "user", "content": text}], **parameters})
        return inspection, inspection.assemble(obligations or Obligations(), Destination.MODEL)

    return send
