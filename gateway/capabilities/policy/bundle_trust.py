"""What the signature of a bundle is checked or made with, without the library behind it: a policy that needs no key loads without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

Check: TypeAlias = Callable[[str, bytes, bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleKey:
    """What a bundle's signature is checked with."""

    kind: str
    """``RSA``, ``EC``, ``Ed25519`` or ``HMAC``."""
    id: str
    """The first half of the SHA-256 of the public key; of a shared secret nothing is told."""
    algorithms: frozenset[str]
    """Names of JWS (RFC 7518, RFC 8037) that a signature by this key may have."""
    check: Check
    """Raises ``ValueError`` where the signature is none of the message."""

    def verifies(self, algorithm: str, message: bytes, signature: bytes) -> bool:
        """Whether the holder of the private half, or of the same secret, has signed ``message``."""
        if algorithm not in self.algorithms:
            return False
        try:
            self.check(algorithm, message, signature)
        except ValueError:
            return False
        return True

    def __str__(self) -> str:
        return f"{self.kind} key {self.id}" if self.id else f"{self.kind} secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleSigner:
    """What a bundle is signed with."""

    algorithm: str
    sign: Callable[[bytes], bytes]
