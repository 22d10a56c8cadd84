"""Queries over API keys. Rows are plain; what they mean is ``capabilities/keys.py``'s."""

from __future__ import annotations

import secrets
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from gateway.infrastructure.database import Database
from gateway.infrastructure.database_schema import keys, marks

_MARK = "keys"


class KeyRow(NamedTuple):
    """A stored key. ``teams``, ``roles`` and ``routes`` are JSON arrays of strings; ``digest`` is the keyed hash of the whole key."""

    id: str
    tenant: str
    name: str
    digest: bytes
    teams: str
    roles: str
    routes: str
    created_ns: int
    expires_ns: int | None
    revoked_ns: int | None


class KeyTable:
    """The table of keys. Every method may raise ``DatabaseError``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, row: KeyRow) -> None:
        """Store a new key."""
        with self._database.write() as connection:
            connection.execute(insert(keys), row._asdict())
            _mark(connection)

    def revoke(self, tenant: str, key_id: str, now_ns: int) -> bool:
        """Mark a tenant's key as revoked; ``False`` if the tenant has no such key. The first revocation's time stays."""
        mine = (keys.c.tenant == tenant) & (keys.c.id == key_id)
        with self._database.write() as connection:
            found = connection.execute(select(keys.c.id).where(mine)).first() is not None
            if found:
                connection.execute(update(keys).where(mine & keys.c.revoked_ns.is_(None)).values(revoked_ns=now_ns))
                _mark(connection)
            return found

    def of_tenant(self, tenant: str) -> list[KeyRow]:
        """A tenant's keys, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(keys).where(keys.c.tenant == tenant).order_by(keys.c.created_ns, keys.c.id))
            return [KeyRow(*row) for row in rows]

    def changed(self, token: bytes | None) -> tuple[bytes | None, list[KeyRow]] | None:
        """The token of the newest change and all keys, or ``None`` if ``token`` is still the newest. An unchanged table costs one row."""
        with self._database.read() as connection:
            newest = connection.execute(select(marks.c.token).where(marks.c.name == _MARK)).scalar()
            if newest is not None and newest == token:
                return None
            return newest, [KeyRow(*row) for row in connection.execute(select(keys))]


def _mark(connection: Connection) -> None:
    connection.execute(delete(marks).where(marks.c.name == _MARK))
    connection.execute(insert(marks).values(name=_MARK, token=secrets.token_bytes(16)))
