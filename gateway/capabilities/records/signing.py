"""The key that signs chain heads: Ed25519, the gateway's own."""

from __future__ import annotations

import base64
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_DOMAIN = b"gateway.head/v1\n"
"""Signed before the message, so that no signature of the key over anything else can stand for a head."""


class VerifyKey:
    """The public half: anybody may have it."""

    def __init__(self, public: bytes) -> None:
        """``public`` is the raw key, 32 bytes."""
        self.public = public
        self.id = hashlib.sha256(public).hexdigest()[:16]
        self._key = Ed25519PublicKey.from_public_bytes(public)

    @classmethod
    def from_text(cls, text: str) -> VerifyKey:
        """Read a public key as ``encoded`` writes it.

        Raises:
            ValueError: It is not 32 bytes in base64.
        """
        return cls(_decode(text.strip()))

    def encoded(self) -> str:
        """The raw key in base64."""
        return base64.b64encode(self.public).decode()

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether the private half has signed ``message``."""
        try:
            self._key.verify(signature, _DOMAIN + message)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """The private half: the gateway's secret ``keys.record_signing``."""

    def __init__(self, seed: bytes) -> None:
        """``seed`` is 32 random bytes (RFC 8032, section 5.1.5)."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verify_key = VerifyKey(self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """The signature of ``message``, 64 bytes."""
        return self._key.sign(_DOMAIN + message)


def _decode(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise ValueError("expected an Ed25519 public key: 32 bytes in base64")
    return raw
