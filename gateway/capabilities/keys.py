"""API keys: ``gw_<id>_<secret>``. Shown once; stored as a keyed hash, found by id, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from gateway.domain import Subject
from gateway.errors import RecordUnavailable, Unauthenticated
from gateway.infrastructure.database import Database, DatabaseError
from gateway.infrastructure.database_keys import KeyRow, KeyTable

_ALPHABET = string.ascii_letters + string.digits
_ID_LENGTH = 12
_SECRET_LENGTH = 43
"""43 letters and digits: 256 random bits."""
_MAX_LENGTH = 128
POLL_S = 0.25
"""How often the table is asked for changes: a revoked key is refused within this and the time of one read."""
GRACE_S = 5.0
"""How long keys stay good while the table cannot be read. After that every call is refused until it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as an operator sees it: everything but the secret."""

    id: str
    tenant: str
    name: str
    teams: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    routes: tuple[str, ...] = ("*",)
    created_ns: int
    expires_ns: int | None = None
    revoked_ns: int | None = None

    def state(self, now_ns: int) -> str:
        """``active``, ``revoked`` or ``expired``."""
        if self.revoked_ns is not None:
            return "revoked"
        return "expired" if self.expires_ns is not None and self.expires_ns <= now_ns else "active"


def hash_key(secret: bytes, raw_key: str) -> bytes:
    """The keyed hash that is stored: keyed BLAKE2b (RFC 7693) over the whole key. ``raw_key`` is ASCII."""
    key = secret if len(secret) <= hashlib.blake2b.MAX_KEY_SIZE else hashlib.blake2b(secret).digest()
    return hashlib.blake2b(raw_key.encode("ascii"), digest_size=32, key=key).digest()


class KeyStore:
    """Creates, lists and revokes keys, for commands. Every method may raise ``DatabaseError``."""

    def __init__(self, database: Database, secret: bytes) -> None:
        """``secret`` is the gateway's ``keys.api_key_hash``."""
        self._table = KeyTable(database)
        self._secret = secret

    def create(
        self, *, tenant: str, name: str, teams: tuple[str, ...], roles: tuple[str, ...], routes: tuple[str, ...], expires_ns: int | None
    ) -> tuple[str, Key]:
        """A new key: the whole of it, which nobody can show again, and what is kept. No routes means all of them."""
        key_id, secret = _random(_ID_LENGTH), _random(_SECRET_LENGTH)
        raw = f"gw_{key_id}_{secret}"
        key = Key(id=key_id, tenant=tenant, name=name, teams=teams, roles=roles, routes=routes or ("*",), created_ns=time.time_ns(), expires_ns=expires_ns)
        teams_json, roles_json, routes_json = (orjson.dumps(values).decode() for values in (key.teams, key.roles, key.routes))
        self._table.add(KeyRow(key_id, tenant, name, hash_key(self._secret, raw), teams_json, roles_json, routes_json, key.created_ns, expires_ns, None))
        return raw, key

    def of_tenant(self, tenant: str) -> list[Key]:
        """A tenant's keys, oldest first."""
        return [_key(row) for row in self._table.of_tenant(tenant)]

    def revoke(self, tenant: str, key_id: str) -> bool:
        """Revoke a tenant's key for good; ``False`` if the tenant has no such key."""
        return self._table.revoke(tenant, key_id, time.time_ns())


class _Known(NamedTuple):
    digest: bytes
    subject: Subject
    expires_ns: int | None
    revoked: bool


class KeyRing:
    """All keys in memory, for the serving process; a thread keeps them up to date with the table, whoever changes it."""

    def __init__(self, database: Database, secret: bytes, *, poll_s: float = POLL_S, grace_s: float = GRACE_S) -> None:
        """``secret`` is the gateway's ``keys.api_key_hash``; ``poll_s`` and ``grace_s`` are in seconds."""
        self._table = KeyTable(database)
        self._secret = secret
        self._poll_s, self._grace_s = poll_s, grace_s
        self._known: Mapping[str, _Known] = {}
        self._token: bytes | None = None
        self._read_at = -float("inf")
        self._decoy = secrets.token_bytes(32)
        self._reading = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Read the keys and begin to watch for changes.

        Raises:
            DatabaseError: The keys cannot be read.
        """
        self.refresh()
        self._thread = threading.Thread(target=self._watch, name="key-ring", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def identify(self, raw_key: str) -> Subject:
        """Who holds a key. Microseconds; reads nothing but memory.

        Raises:
            Unauthenticated: Nobody does. The message is always the same; ``reason_code`` is ``missing``, ``malformed``, ``unknown``,
                ``revoked`` or ``expired``.
            RecordUnavailable: The table could not be read for longer than the grace.
        """
        if time.monotonic() - self._read_at > self._grace_s:
            raise RecordUnavailable("the gateway cannot read its keys; try again later", code="keys_unavailable")
        if not raw_key:
            raise _rejected("missing")
        key_id = _key_id(raw_key)
        if key_id is None:
            raise _rejected("malformed")
        known = self._known.get(key_id)
        good = hmac.compare_digest(hash_key(self._secret, raw_key), known.digest if known else self._decoy)
        if known is None or not good:
            raise _rejected("unknown")
        if known.revoked:
            raise _rejected("revoked")
        if known.expires_ns is not None and known.expires_ns <= time.time_ns():
            raise _rejected("expired")
        return known.subject

    def holder(self, tenant: str, key_id: str) -> Subject | None:
        """Who holds the key with this id, as it is now; ``None`` if the tenant has no such key, or it is revoked or expired.

        Raises:
            RecordUnavailable: The table could not be read for longer than the grace.
        """
        if time.monotonic() - self._read_at > self._grace_s:
            raise RecordUnavailable("the gateway cannot read its keys; try again later", code="keys_unavailable")
        known = self._known.get(key_id)
        if known is None or known.subject.tenant != tenant or known.revoked or (known.expires_ns is not None and known.expires_ns <= time.time_ns()):
            return None
        return known.subject

    def refresh(self) -> None:
        """Read what has changed since the last time.

        Raises:
            DatabaseError: The keys cannot be read.
        """
        with self._reading:  # else a read that began earlier could end later, and bring back what it saw
            began = time.monotonic()
            changes = self._table.changed(self._token)
            if changes is not None:
                token, rows = changes
                self._known = {row.id: _known(row) for row in rows}
                self._token = token
            self._read_at = began

    def _watch(self) -> None:
        while not self._stop.wait(self._poll_s):
            try:
                self.refresh()
            except DatabaseError:
                continue  # the grace decides how long the last state is good for


def _key_id(raw_key: str) -> str | None:
    """The id within a key, ``None`` if it is not in the form of a key."""
    if len(raw_key) > _MAX_LENGTH or not raw_key.isascii():
        return None
    prefix, _, rest = raw_key.partition("_")
    key_id, _, secret = rest.partition("_")
    return key_id if prefix == "gw" and key_id and secret else None


def _rejected(reason: str) -> Unauthenticated:
    return Unauthenticated("no valid API key: send `Authorization: Bearer gw_...` with a key that is known, not revoked and not expired", code=reason)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _key(row: KeyRow) -> Key:
    teams, roles, routes = (tuple(orjson.loads(values)) for values in (row.teams, row.roles, row.routes))
    return Key(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        teams=teams,
        roles=roles,
        routes=routes,
        created_ns=row.created_ns,
        expires_ns=row.expires_ns,
        revoked_ns=row.revoked_ns,
    )


def _known(row: KeyRow) -> _Known:
    key = _key(row)
    subject = Subject(id=key.id, kind="key", tenant=key.tenant, name=key.name, teams=key.teams, roles=key.roles, routes=key.routes)
    return _Known(row.digest, subject, key.expires_ns, key.revoked_ns is not None)
