"""What the records say, read from the database itself, and whether that is what the clients saw."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psycopg

from gateway.domain import Json
from tests.chaos.seen import Seen
from tests.stage import TENANT

_ENTRIES = "SELECT seq, intent_id, kind, body, salt, content FROM entries WHERE tenant = ? AND writer = ? AND seq > ? ORDER BY seq"
_WRITERS = "SELECT DISTINCT writer FROM entries WHERE tenant = ?"
# A record keeps placeholders where the caller got the values back.
_VALUE = re.compile(r"<[A-Z][A-Z_]*_[BCDFGHJKLMNPQRST]{16}>|[\w.]+@example\.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The end of an intent."""

    facts: Json
    digests: Json
    salt: bytes | None
    content: Json


class Ledger:
    """Reads entries as they come in."""

    def __init__(self, database: Path | str) -> None:
        """``database`` is a file of SQLite or the URL of a database of PostgreSQL."""
        self._database = database
        self._last: dict[str, int] = {}
        self.opened: set[str] = set()
        self.closed: dict[str, list[Closed]] = {}

    def read_on(self) -> None:
        """Take in what was added since the last time."""
        with closing(self._connected()) as connection:
            connection.execute("BEGIN")
            mark = "?" if isinstance(self._database, Path) else "%s"
            for (writer,) in connection.execute(_WRITERS.replace("?", mark), (TENANT,)).fetchall():
                for row in connection.execute(_ENTRIES.replace("?", mark), (TENANT, writer, self._last.get(writer, -1))).fetchall():
                    self._last[writer] = row[0]
                    self._take(*row[1:])

    def _connected(self) -> Any:
        if isinstance(self._database, Path):
            return sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, isolation_level=None)
        return psycopg.connect(self._database, autocommit=True)

    def _take(self, intent: str, kind: str, body: bytes, salt: bytes | None, content: bytes | None) -> None:
        if kind == "opened":
            self.opened.add(intent)
        elif kind == "closed":
            entry = orjson.loads(body)
            closed = Closed(facts=entry["facts"], digests=entry["digests"], salt=salt, content=orjson.loads(content) if content else {})
            self.closed.setdefault(intent, []).append(closed)

    def left_open(self) -> set[str]:
        """Intents without an end."""
        return self.opened - self.closed.keys()

    def ends_twice(self) -> set[str]:
        """Intents with more than one end."""
        return {intent for intent, ends in self.closed.items() if len(ends) > 1}


def disagreement(seen: Seen, ledger: Ledger) -> str | None:
    """What is wrong between a client's log and the records; ``None`` where nothing is."""
    if seen.record is None:
        return f"an answer with status {seen.status} names no record" if seen.status else None
    ends = ledger.closed.get(seen.record)
    if not ends or seen.record not in ledger.opened:
        return f"{seen.record} was seen and is not on record"
    closed = ends[0]
    state, reason = closed.facts["state"], closed.facts["reason"]
    if seen.finished:
        return _differs(seen, closed) if state == "completed" else f"{seen.record} was seen complete and is on record as {state} ({reason})"
    if state == "indeterminate":
        return None if reason == "gateway.crashed" else f"{seen.record} is indeterminate for another reason: {reason}"
    if state != "completed":
        return f"{seen.record} was seen in part and is on record as {state} ({reason})"
    return None if begins(seen.choices, closed.content["answer"]) else f"{seen.record}: what was seen is not how the recorded answer begins"


def _differs(seen: Seen, closed: Closed) -> str | None:
    digest = hashlib.sha256((closed.salt or b"") + orjson.dumps(seen.choices)).hexdigest()
    return None if digest == closed.digests.get("released") else f"{seen.record}: the digest of what was seen is not the recorded one: {seen.choices}"


def begins(part: list[Json], whole: list[Json]) -> bool:
    """Whether each choice of ``part`` is a beginning of the choice of ``whole``, personal data and placeholders aside."""
    answered = {choice["index"]: choice for choice in whole}
    return all(choice["index"] in answered and _choice_begins(choice, answered[choice["index"]]) for choice in part)


def _choice_begins(part: Json, whole: Json) -> bool:
    if not _masked(whole["content"]).startswith(_masked(part["content"])) or len(part["tool_calls"]) > len(whole["tool_calls"]):
        return False
    return all(
        call["name"] == known["name"] and _masked(known["arguments"]).startswith(_masked(call["arguments"]))
        for call, known in zip(part["tool_calls"], whole["tool_calls"], strict=False)
    )


def _masked(text: str | None) -> str:
    return _VALUE.sub("*", text or "")
