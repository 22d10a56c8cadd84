"""Gateways whose policy leaves intents to people, and the people who decide about them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.capabilities.intents import Loaded
from gateway.capabilities.keys import KeyStore
from gateway.capabilities.records.entries import Entry
from gateway.capabilities.records.store import Record, RecordStore
from gateway.capabilities.records.writer import RecordWriter
from gateway.domain import Json
from gateway.errors import RecordUnavailable
from gateway.infrastructure.database_tasks import TaskRow
from gateway.pipeline.parked import Outcome
from gateway.testing import ALLOW_ALL, LocalGateway, Reply, Routing, local_gateway

QUICK = "{sweep_s: 0.05, poll_s: 0.05}"
SLOW_SWEEPS = "{sweep_s: 60, poll_s: 0.05}"
"""The sweeper looks once, at the start, and then as a test says."""
TWO_QUEUES = "{default: {}, second: {}}"
_HIDES: dict[str, dict[str, list[str]]] = {"intent": {"model": [], "caller": [], "record": []}, "answer": {"caller": [], "record": []}}


def escalates(
    hook: str, *, terms: Mapping[str, Any] | None = None, person: tuple[str, ...] = (), rule: str = "ask.people", when: str = "true", enough: int = 1
) -> str:
    """A policy of ``hook`` that wants people to decide ``when`` it holds, until ``enough`` of them have; else it allows."""
    allow = {"outcome": "allow", "reasons": [], "obligations": {"reveal": _HIDES[hook]}}
    obligations = {"reveal": {**_HIDES[hook], "person": list(person)}, "approval": dict(terms or {})}
    held = {"outcome": "escalate", "reasons": [{"rule": rule, "message": "a person has to look at it"}], "obligations": obligations}
    return f"""package gateway.{hook}

import rego.v1

given := [one | some one in input.approvals; one.hook == "{hook}"]

default verdict := {orjson.dumps(allow).decode()}

verdict := {orjson.dumps(held).decode()} if {{
	{when}
	count(given) < {enough}
}}
"""


def at_intent(**options: Any) -> dict[str, str]:
    """Files whose intent policy is ``escalates``, and whose answer policy allows."""
    return {**ALLOW_ALL, "intent.rego": escalates("intent", **options)}


def at_answer(**options: Any) -> dict[str, str]:
    """Files whose answer policy is ``escalates``, and whose intent policy allows."""
    return {**ALLOW_ALL, "answer.rego": escalates("answer", **options)}


def always(hook: str, **approval: Any) -> dict[str, str]:
    """Files whose policy of ``hook`` escalates, whatever people say."""
    return {**ALLOW_ALL, f"{hook}.rego": escalates(hook, terms=approval, enough=1_000)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A gateway, its callers, and those who decide."""

    local: LocalGateway
    folder: Path

    def key(self, name: str, *roles: str, tenant: str = "acme") -> str:
        """A person's key: a reviewer's, unless ``roles`` say otherwise."""
        return self.local.key(tenant, name=name, roles=roles or ("reviewer",))

    def key_id(self, raw: str) -> str:
        """The id of a key."""
        return self.local.gateway.services.keys.identify(raw).id

    def revoke(self, raw: str) -> None:
        """A key is no longer good."""
        gateway, settings = self.local.gateway, self.local.settings
        assert KeyStore(gateway.database, settings.keys.api_key_hash.reveal()).revoke("acme", self.key_id(raw))
        gateway.services.keys.refresh()

    async def ask(self, text: str = "please", *, wait: str = "0", key: str | None = None, headers: Mapping[str, str] | None = None, **more: Any) -> Reply:
        """A call that waits ``wait`` seconds for people."""
        body = {"model": "assistant", "messages": [{"role": "user", "content": text}], **more}
        return await self.local.chat(body, key=key, headers={"x-gateway-wait": wait, **(headers or {})})

    async def park(self, text: str = "please", **more: Any) -> Case:
        """A call that is held."""
        reply = await self.ask(text, **more)
        assert (reply.status, reply.headers.get("x-gateway-decision")) == (200, "escalate"), reply.body
        return Case(desk=self, intent=reply.headers["x-gateway-record"], first_task=reply.headers["x-gateway-task"], pending=reply)

    def asked(self, path: str = "/v1/chat/completions") -> list[Json]:
        """What the provider was asked."""
        return [orjson.loads(one.body) for one in self.local.provider.requests if one.path == path]

    def query(self, sql: str, *values: Any) -> list[Json]:
        """Rows of the database."""
        with self.local.gateway.database.read() as connection:
            return [dict(row) for row in connection.exec_driver_sql(sql, values).mappings()]

    def rows(self) -> dict[str, str]:
        """Every intent that has a row, and its state."""
        return {row["id"]: row["state"] for row in self.query("SELECT id, state FROM intents ORDER BY created_ns")}

    async def post(self, path: str, body: Any = None, *, by: str = "Bob") -> Reply:
        """A request of a reviewer."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.key(by)}"}
        return await self.local.request("POST", path, headers, orjson.dumps({} if body is None else body))

    async def policy(self, files: Mapping[str, str]) -> None:
        """Another policy is live from now on."""
        policy = self.local.gateway.services.policy
        before = policy.revision
        for name, text in files.items():
            (self.folder / "policies" / name).write_text(text)
        await until(lambda: policy.revision != before)

    @asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        """No intent goes on within the block: there is no place for it. None has looked at anything of the block's when it ends."""
        limits, background = self.local.gateway.services.limits, self.local.gateway.services.background
        places, limits.in_flight = limits.in_flight, 0
        try:
            yield
            await until(lambda: len(background) == 0)
        finally:
            limits.in_flight = places


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An intent that was held."""

    desk: Desk
    intent: str
    first_task: str
    pending: Reply

    def loaded(self) -> Loaded:
        """All that is stored of it."""
        loaded = self.desk.local.gateway.services.intents.load("acme", self.intent)
        assert loaded is not None
        return loaded

    @property
    def task(self) -> TaskRow:
        """Its newest task."""
        task = self.loaded().task
        assert task is not None
        return task

    async def shown(self, *, by: str = "Bob") -> Json:
        """The task as a reviewer sees it."""
        reply = await self.desk.local.get(f"/v1/tasks/{self.task.id}", key=self.desk.key(by))
        assert reply.status == 200, reply.body
        return reply.json

    async def decide(self, action: str = "accept", *, by: str = "Bob", **more: Any) -> Reply:
        """A reviewer decides about the task as it is; what they are told."""
        if action == "accept":
            more = {"version": self.task.version} | more
        return await self.desk.post(f"/v1/tasks/{self.task.id}/decide", {"action": action, **more}, by=by)

    async def accept(self, action: str = "accept", **more: Any) -> None:
        """A reviewer decides, and may."""
        reply = await self.decide(action, **more)
        assert reply.status == 200, reply.body

    async def outcome(self) -> Outcome:
        """What came of it, which is not noted as collected."""
        outcome = await self.desk.local.gateway.services.waiting.outcome("acme", self.intent, 20)
        assert outcome is not None, self.loaded().row
        return outcome

    async def answer(self) -> Json:
        """The answer that came of it."""
        outcome = await self.outcome()
        assert (outcome.state, outcome.status, outcome.error) == ("completed", 200, None)
        assert outcome.body is not None
        return outcome.body

    async def text(self) -> str:
        """What it says."""
        return str((await self.answer())["choices"][0]["message"]["content"])

    async def refusal(self) -> tuple[str, int, list[str]]:
        """State, status and rules (or code) of an intent that ended without an answer."""
        outcome = await self.outcome()
        assert outcome.body is None
        assert outcome.error is not None
        reasons = getattr(outcome.error, "reasons", None)
        return outcome.state.value, outcome.status, [outcome.error.reason_code] if reasons is None else [reason.rule for reason in reasons]

    async def held(self, times: int = 2) -> TaskRow:
        """Its task, once it was held so often."""
        await until(lambda: (self.loaded().row.state, self.loaded().row.holds) == ("parked", times))
        return self.task

    def record(self) -> Record:
        """Its record."""
        return RecordStore(self.desk.local.gateway.database).show("acme", self.intent)

    def kinds(self) -> list[str]:
        """The kinds of the entries of its record."""
        return [entry.kind for entry in self.record().entries]


async def until(done: Callable[[], object], within_s: float = 20) -> None:
    """Wait until it is."""
    end = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def desk(
    folder: Path,
    policies: Mapping[str, str],
    script: str = "",
    *,
    queues: str = "{default: {}}",
    waiting: str = QUICK,
    assistant: str = "{target: simulated, retries: {max: 0}}",
    routes: Mapping[str, str] | None = None,
    changes: Mapping[str, str] | None = None,
) -> AsyncIterator[Desk]:
    """A gateway with ``policies`` and ``queues``."""
    routing = Routing(assistant=assistant, queues=queues, waiting=waiting, routes=routes or {})
    async with local_gateway(folder, script, policies=policies, routing=routing, changes=changes) as local:
        yield Desk(local=local, folder=folder)


def fail_moves(patch: pytest.MonkeyPatch, *kinds: str) -> list[str]:
    """From now on the database takes no move with an entry of these kinds; the list has those that it did not take."""
    real, failed = RecordWriter.move, list[str]()

    def move(self: RecordWriter, effect: Any, *entries: Entry) -> asyncio.Future[Any]:
        if not any(entry.kind in kinds for entry in entries):
            return real(self, effect, *entries)
        failed.extend(entry.kind for entry in entries)
        future = asyncio.get_running_loop().create_future()
        future.set_exception(RecordUnavailable("no record"))
        return future

    patch.setattr(RecordWriter, "move", move)
    return failed
