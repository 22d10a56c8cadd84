"""How entries become rows of a chain: ``hash = SHA-256(previous hash ‖ body)``, over salted digests of what can be erased."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from gateway.capabilities.records.entries import CLOSED, GENESIS, OPENED, Entry, encode_facts
from gateway.infrastructure.database_ledger import EntryRow, LedgerTransaction

FORMAT = "gateway.records/v1"
START = bytes(32)
"""The hash before a chain's first entry."""
_SALT_BYTES = 16
_SORTED = orjson.OPT_SORT_KEYS


class Link(NamedTuple):
    """A chain's last entry; ``seq`` is -1 and ``hash`` is ``START`` where there is none yet."""

    seq: int
    hash: bytes


NO_LINK = Link(-1, START)


class Draft(NamedTuple):
    """An entry with its facts encoded: nothing that the caller changes later can reach it."""

    entry: Entry
    facts: bytes


def draft(entry: Entry) -> Draft:
    """Encode an entry's facts.

    Raises:
        TypeError: Facts hold what JSON cannot.
    """
    return Draft(entry, encode_facts(entry.facts))


def new_writer_id() -> str:
    """The id of a writing process: ``w_`` + milliseconds in hexadecimal + 32 random bits. It sorts by time."""
    return f"w_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(4)}"


def link_hash(previous: bytes, body: bytes) -> bytes:
    """The hash of an entry that follows ``previous``."""
    return sha256(previous + body).digest()


def digest(salt: bytes, content: bytes | None) -> str:
    """The salted digest of a blob. Absent content has the digest of nothing, which binds the salt."""
    return sha256(salt + content if content else salt).hexdigest()


def extend(drafts: Iterable[Draft], writer: str, links: dict[str, Link]) -> list[EntryRow]:
    """The rows of new entries. ``links`` holds the last link of each tenant's chain of this writer and is moved on."""
    rows: list[EntryRow] = []
    drafts = list(drafts)
    noise = os.urandom(_SALT_BYTES * len(drafts))
    for number, (entry, facts) in enumerate(drafts):
        previous = links[entry.tenant]
        salt = noise[number * _SALT_BYTES : (number + 1) * _SALT_BYTES] if entry.content or entry.digests else None
        content = entry.content or None
        expires = entry.expires_ns if salt else None
        seq = previous.seq + 1
        digests = _digests(salt, content, entry) if salt else {}
        state, route = entry.facts.get("state") if entry.kind == CLOSED else None, entry.facts.get("route") if entry.kind == OPENED else None
        body = orjson.dumps(
            {
                "at_ns": entry.at_ns,
                "digests": digests,
                "expires_ns": expires,
                "facts": orjson.Fragment(facts),
                "intent_id": entry.intent_id,
                "kind": entry.kind,
                "seq": seq,
                "tenant": entry.tenant,
                "writer": writer,
            },
            option=_SORTED,
        )
        link = sha256(previous.hash + body).digest()
        links[entry.tenant] = Link(seq, link)
        rows.append(
            EntryRow(entry.tenant, writer, seq, entry.intent_id, entry.kind, filter_value(state), filter_value(route), body, link, salt, content, expires)
        )
    return rows


def _digests(salt: bytes, content: bytes | None, entry: Entry) -> dict[str, str]:
    found = {"content": digest(salt, content)}
    for name, blob in entry.digests.items():
        found[name] = digest(salt, blob)
    return found


def filter_value(value: Any) -> str | None:
    """A fact as the column that repeats it for filters holds it: without NUL, which not every database takes, and as UTF-8 can hold it."""
    return None if value is None else str(value).replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def genesis(ledger: LedgerTransaction, tenant: str) -> Draft:
    """The entry that begins a chain. It binds those chains' last entries that no other chain's beginning binds yet, so that an older chain cannot vanish."""
    bound = {(bind["writer"], bind["seq"]) for body in ledger.genesis_bodies(tenant) for bind in _binds(body)}
    binds = []
    for writer, seq in ledger.tips(tenant).items():
        head = ledger.head(tenant, writer) if (writer, seq) not in bound else None
        if head is not None:
            binds.append({"hash": head[1].hex(), "seq": head[0], "writer": writer})
    facts = {"binds": binds, "format": FORMAT}
    return draft(Entry(tenant=tenant, intent_id="", kind=GENESIS, at_ns=time.time_ns(), facts=facts))


def _binds(body: bytes) -> list[dict[str, Any]]:
    """What a genesis binds. One that was tampered with binds nothing here: ``verify`` reports it, and appending must go on."""
    try:
        return [bind for bind in orjson.loads(body)["facts"]["binds"] if {"writer", "seq"} <= bind.keys()]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def erased_facts(why: str, rows: Sequence[EntryRow]) -> dict[str, Any]:
    """The facts of an ``erased`` entry: why, and which entries lost content and salt."""
    return {"entries": [[row.writer, row.seq] for row in rows], "why": why}
