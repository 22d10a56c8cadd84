"""What the records and the tables say of intents that waited for people, read from the database itself."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from gateway.domain import Json
from tests.chaos.ledger import Ledger
from tests.stage import TENANT, Stage

_SERIAL = re.compile(rb"T-(\d+) ")
_TO_GO_ON = ("call", "draft", "context")


class Book(Ledger):
    """All entries of intents, by kind."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.url or stage.database)
        self.serial: dict[str, int] = {}
        """Which call an intent is."""
        self.parked: dict[str, list[Json]] = defaultdict(list)
        self.decided: dict[str, list[Json]] = defaultdict(list)
        self.resumed: dict[str, list[Json]] = defaultdict(list)

    def _take(self, intent: str, kind: str, body: bytes, salt: bytes | None, content: bytes | None) -> None:
        super()._take(intent, kind, body, salt, content)
        if kind == "opened" and (found := _SERIAL.search(content or b"")):
            self.serial[intent] = int(found[1])
        if kind in {"parked", "decided", "resumed"}:
            kept: dict[str, list[Json]] = getattr(self, kind)
            kept[intent].append(orjson.loads(body)["facts"])

    def state(self, intent: str) -> str:
        """How an intent ended."""
        return str(self.closed[intent][0].facts["state"])

    def attempts(self, intent: str) -> int:
        """Calls of the model that are on record."""
        facts = [*self.parked[intent], *(end.facts for end in self.closed.get(intent, ()))]
        return max((len(each.get("attempts") or ()) for each in facts), default=0)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query of one tenant finds; ``?`` in it is the tenant."""
        mark = "?" if isinstance(self._database, Path) else "%s"
        with closing(self._connected()) as connection:
            return [tuple(row) for row in connection.execute(query.replace("?", mark), (TENANT,)).fetchall()]

    def standing(self) -> Counter[str]:
        """How many intents are where: taken at the moment of a kill."""
        found = self.rows("SELECT state, ready_ns IS NOT NULL, holds > 0 FROM intents WHERE tenant = ?")
        names = {("parked", True): "decided, not resumed", ("parked", False): "parked", ("running", True): "resumed, running", ("running", False): "running"}
        return Counter(names[state, bool(ready if state == "parked" else held)] for state, ready, held in found if state in {"parked", "running"})

    def leftovers(self) -> list[str]:
        """What is in the tables and must not be there once everything has ended."""
        found = [
            f"{intent} is still {state}" for intent, state in self.rows("SELECT id, state FROM intents WHERE tenant = ? AND state IN ('parked', 'running')")
        ]
        found += [f"{intent} is noted as open" for (intent,) in self.rows("SELECT intent_id FROM open_intents WHERE tenant = ?")]
        tasks = self.rows("SELECT t.id, t.state, i.state FROM tasks t LEFT JOIN intents i ON i.tenant = t.tenant AND i.id = t.intent_id WHERE t.tenant = ?")
        found += [f"task {task} is {state} of an intent that is {of}" for task, state, of in tasks if state in {"open", "claimed"} or of is None]
        kept = self.rows(
            "SELECT p.intent_id, p.kind, i.state FROM payloads p LEFT JOIN intents i ON i.tenant = p.tenant AND i.id = p.intent_id WHERE p.tenant = ?"
        )
        found += [f"{intent} is {state} and its {kind} is still there" for intent, kind, state in kept if kind in _TO_GO_ON]
        answers = {intent for intent, kind, _ in kept if kind == "answer"}
        ended = self.rows("SELECT id, state, expires_ns FROM intents WHERE tenant = ?")
        found += [f"{intent} is {state} and has no answer to tell" for intent, state, _ in ended if state != "indeterminate" and intent not in answers]
        return found + [f"{intent} is {state} and never expires" for intent, state, expires_ns in ended if expires_ns is None]

    def approvals(self) -> list[str]:
        """What is wrong with approvals: those of a task that was gone on with are used, once; no others are."""
        resumed = Counter(facts["task"] for held in self.resumed.values() for facts in held)
        found = [f"task {task} was gone on with {times} times" for task, times in resumed.items() if times > 1]
        for approval, task, used_ns, revoked_ns in self.rows("SELECT id, task_id, used_ns, revoked_ns FROM approvals WHERE tenant = ?"):
            if used_ns is not None and (revoked_ns is not None or task not in resumed):
                found.append(f"{approval} was used though it was revoked, or its task not gone on with")
            if used_ns is None and revoked_ns is None and task in resumed:
                found.append(f"{approval} stands unused though its task was gone on with")
        return found
