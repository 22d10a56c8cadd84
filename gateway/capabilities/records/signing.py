"""The key that signs chain heads: Ed25519, the gateway's own."""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

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
        """``seed`` is 32 random bytes."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verify_key = VerifyKey(self._key.public_key().public_bytes_raw())

    @classmethod
    def from_secret(cls, secret: str | bytes) -> SigningKey:
        """Read the configured secret: a PEM private key, or 32 bytes in hexadecimal or base64.

        Raises:
            ValueError: It is none of these. The message does not quote it.
        """
        text = secret.decode("ascii", "replace") if isinstance(secret, bytes) else secret
        if not text.lstrip().startswith("-----BEGIN"):
            return cls(_decode(text.strip()))
        try:
            key = load_pem_private_key(text.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if isinstance(key, Ed25519PrivateKey):
            return cls(key.private_bytes_raw())
        raise ValueError("the PEM block is not an unencrypted Ed25519 private key; make one with `openssl genpkey -algorithm ed25519`")

    def sign(self, message: bytes) -> bytes:
        """The signature of ``message``, 64 bytes."""
        return self._key.sign(_DOMAIN + message)


def _decode(text: str) -> bytes:
    try:
        raw = (
            bytes.fromhex(text)
            if len(text) == 64
            else base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_" if set("-_") & set(text) else None, validate=True)
        )
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != 32:
        raise ValueError("expected an Ed25519 key: 32 bytes in hexadecimal or base64 (`openssl rand -hex 32` makes a private one)")
    return raw
