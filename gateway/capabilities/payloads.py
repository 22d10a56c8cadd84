"""Payloads: what is kept of an intent that waits or was answered, encrypted under its tenant's key.

AES-256-GCM (NIST SP 800-38D) under a key that HKDF-SHA256 (RFC 5869) derives from the tenant's secret. A sealed payload is a random 96-bit nonce, then
ciphertext and tag. What it belongs to (tenant, intent, kind, key) is authenticated with it, so that no row can stand in for another.

A key seals at most 2^32 payloads (SP 800-38D, section 8.3: random nonces): replace a tenant's secret long before, and keep the one before it among
the older ones until what it sealed has expired.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import PayloadUnavailable

CALL: Final = "call"
"""The call as it came."""
DRAFT: Final = "draft"
"""An answer that waits for a person's judgement."""
CONTEXT: Final = "context"
"""What a reviewer may see."""
ANSWER: Final = "answer"
"""What the caller gets, or got."""

_SEALING: Final = b"gateway.payloads/v1"
_AUTHENTICATING: Final = b"gateway.payloads/v1/mac"
_KEY_ID: Final = b"gateway.payloads/v1/key-id\n"
_NONCE: Final = 12


class _Key(NamedTuple):
    id: str
    cipher: AESGCM
    mac: bytes


class PayloadKeys:
    """The keys of all tenants. Methods may be called from any thread; they take microseconds and about 1 ns for each byte of content."""

    __slots__ = ("_current", "_known")

    def __init__(self, secrets: Mapping[str, Sequence[bytes]]) -> None:
        """``secrets``: of each tenant the current secret first, then older ones, which only open. A tenant may have none.

        Raises:
            ValueError: A secret is empty.
        """
        derived = {tenant: [_derived(tenant, secret) for secret in found] for tenant, found in secrets.items()}
        self._current = {tenant: keys[0] for tenant, keys in derived.items() if keys}
        self._known = {(tenant, key.id): key for tenant, keys in derived.items() for key in keys}

    def has(self, tenant: str) -> bool:
        """Whether anything can be kept for ``tenant``."""
        return tenant in self._current

    def seal(self, tenant: str, intent_id: str, kind: str, plain: bytes) -> tuple[str, bytes]:
        """``plain`` encrypted under the tenant's current key: the key's id, and what to store.

        Raises:
            PayloadUnavailable: The tenant has no key.
        """
        key = self._current_of(tenant)
        nonce = os.urandom(_NONCE)
        return key.id, nonce + key.cipher.encrypt(nonce, plain, _place(tenant, intent_id, kind, key.id))

    def open(self, tenant: str, intent_id: str, kind: str, key_id: str, sealed: bytes) -> bytes:
        """What was sealed.

        Raises:
            PayloadUnavailable: Its key is not configured, or it is not what was sealed for this tenant, intent and kind.
        """
        key = self._known.get((tenant, key_id))
        if key is None:
            raise PayloadUnavailable(
                f"the {kind} of intent {intent_id} was encrypted with key {key_id} of tenant {tenant!r}, which is not configured: "
                f"put that key back as `tenants.{tenant}.payload_key`, or among `tenants.{tenant}.older_payload_keys`; nothing is lost"
            )
        try:
            return key.cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _place(tenant, intent_id, kind, key_id))
        except (InvalidTag, ValueError):  # ValueError: not even a nonce is left of it
            raise PayloadUnavailable(
                f"the {kind} of intent {intent_id} is not what was stored for it: its row was changed or damaged; restore the table `payloads` from a backup"
            ) from None

    def mac(self, tenant: str, message: bytes) -> tuple[str, bytes]:
        """HMAC-SHA256 of ``message`` under a key of the tenant that seals nothing: the key's id, and 32 bytes.

        Raises:
            PayloadUnavailable: The tenant has no key.
        """
        key = self._current_of(tenant)
        return key.id, hmac.digest(key.mac, message, "sha256")

    def is_mac(self, tenant: str, key_id: str, message: bytes, mac: bytes) -> bool:
        """Whether ``mac`` is that of ``message``, compared in constant time; never where the tenant has no key of this id."""
        key = self._known.get((tenant, key_id))
        return key is not None and hmac.compare_digest(hmac.digest(key.mac, message, "sha256"), mac)

    def _current_of(self, tenant: str) -> _Key:
        key = self._current.get(tenant)
        if key is None:
            raise PayloadUnavailable(f"nothing can be kept for tenant {tenant!r}, which has no key for it: configure `tenants.{tenant}.payload_key`")
        return key


def _derived(tenant: str, secret: bytes) -> _Key:
    if not secret:
        raise ValueError(f"a payload key of tenant {tenant!r} is empty")
    sealing, mac = (HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret) for info in (_SEALING, _AUTHENTICATING))
    return _Key(hashlib.sha256(_KEY_ID + sealing).hexdigest()[:16], AESGCM(sealing), mac)


def _place(*parts: str) -> bytes:
    """What a payload belongs to. Each part is preceded by its length, so that no two places are written alike."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return _SEALING + b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
