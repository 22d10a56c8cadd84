"""Whole gateways whose policy leaves things to people, one on SQLite or two over one Postgres; who asks and decides does so at their HTTP surface."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from click.testing import CliRunner, Result
from sqlalchemy import text

from gateway.__main__ import cli
from gateway.app import build, running
from gateway.domain import Json
from gateway.settings import Secret, load
from gateway.simulated.server import SimulatedProvider
from gateway.testing import ENV, LocalGateway, Reply, Routing, config_text

FINAL = frozenset({"completed", "refused", "failed", "cancelled", "expired", "indeterminate"})
CALLER = "billing agent"
TERMS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "approve": ("intent", {"mode": "approve"}),
    "answer": ("intent", {"mode": "answer"}),
    "review": ("answer", {"mode": "review"}),
    "four": ("intent", {"mode": "approve", "min_approvers": 2}),
    "distinct": ("intent", {"mode": "approve", "distinct_from": ["requester"]}),
    "brief": ("intent", {"mode": "approve", "expires_in_s": 1}),
    "lenient": ("intent", {"mode": "approve", "expires_in_s": 1, "on_expiry": "release"}),
}
"""Routes by name: the hook that holds their intents, and the terms. Route ``plain`` is held nowhere."""
_POLICY = """package gateway.{hook}

import rego.v1

terms := {terms}

given := [one | some one in input.approvals; one.hook == "{hook}"]

allow := {{"outcome": "allow", "reasons": [], "obligations": {{"reveal": {reveal}}}}}

default verdict := {{"outcome": "allow", "reasons": [], "obligations": {{"reveal": {{}}}}}}

verdict := allow if not terms[input.request.route]

verdict := allow if count(given) > 0

verdict := {{
	"outcome": "escalate",
	"reasons": [{{"rule": "{rule}", "message": "a person has to look at it"}}],
	"obligations": {{"reveal": object.union({reveal}, {{"person": {person}}}), "approval": terms[input.request.route]}},
}} if {{
	terms[input.request.route]
	count(given) == 0
}}
"""


def policy(hook: str, *, rule: str = "ask.people", person: tuple[str, ...] = (), queue: str = "default", reveal: tuple[str, ...] = ()) -> str:
    """The policy of one hook: each route is held as ``TERMS`` say until there is an approval, however many the terms ask for. ``reveal``: to the caller."""
    terms = {route: {"queue": queue, **wanted} for route, (where, wanted) in TERMS.items() if where == hook}
    shown = {"caller": list(reveal), "record": [], **({"model": []} if hook == "intent" else {})}
    return _POLICY.format(hook=hook, rule=rule, terms=orjson.dumps(terms).decode(), person=orjson.dumps(person).decode(), reveal=orjson.dumps(shown).decode())


def policies(**options: Any) -> dict[str, str]:
    """Both."""
    return {"intent.rego": policy("intent", **options), "answer.rego": policy("answer", **options)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hall:
    """Gateways over one database, their callers, and those who decide."""

    folder: Path
    gateways: tuple[LocalGateway, ...]
    provider: SimulatedProvider
    env: Mapping[str, str]
    made: dict[tuple[str, ...], str] = field(default_factory=dict)

    @property
    def one(self) -> LocalGateway:
        """The first gateway."""
        return self.gateways[0]

    @property
    def other(self) -> LocalGateway:
        """Another one, where there is one."""
        return self.gateways[-1]

    def key(self, name: str = CALLER, *roles: str, tenant: str = "acme", teams: tuple[str, ...] = ("support",)) -> str:
        """A person's or a program's key, known to all gateways."""
        wanted = (tenant, name, *roles, "|", *teams)
        if wanted not in self.made:
            self.made[wanted] = self.one.key(tenant, name=name, roles=roles, teams=teams)
            for each in self.gateways[1:]:
                each.gateway.services.keys.refresh()
        return self.made[wanted]

    def reviewer(self, name: str = "Ada", *, tenant: str = "acme") -> str:
        """The key of somebody who decides."""
        return self.key(name, "reviewer", tenant=tenant)

    def key_id(self, raw: str) -> str:
        """The id of a key."""
        return raw.split("_")[1]

    async def ask(self, route: str, words: Any = "please", *, at: int = 0, wait: str = "0", headers: Mapping[str, str] | None = None, **more: Any) -> Reply:
        """A call of the caller, or of whoever has ``key``."""
        key = more.pop("key", None) or self.key()
        messages = words if isinstance(words, list) else [{"role": "user", "content": words}]
        return await self.gateways[at].chat({"model": route, "messages": messages, **more}, key=key, headers={"x-gateway-wait": wait, **(headers or {})})

    async def park(self, route: str, words: Any = "please", **more: Any) -> tuple[str, str]:
        """A call that is held: its intent, and its task."""
        reply = await self.ask(route, words, **more)
        assert (reply.status, reply.headers.get("x-gateway-decision")) == (200, "escalate"), reply.body
        return reply.headers["x-gateway-record"], reply.headers["x-gateway-task"]

    async def call(self, method: str, path: str, body: Any = None, *, key: str | None = None, at: int = 0, headers: Mapping[str, str] | None = None) -> Reply:
        """Any request, by Ada or by whoever has ``key``."""
        sent = {"authorization": f"Bearer {key or self.reviewer()}", **(headers or {})}
        raw = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        return await self.gateways[at].request(method, path, sent | ({"content-type": "application/json"} if body is not None else {}), raw)

    async def decide(self, task: str, action: str = "accept", *, key: str | None = None, at: int = 0, **more: Any) -> Reply:
        """A decision."""
        return await self.call("POST", f"/v1/tasks/{task}/decide", {"action": action, **more}, key=key, at=at)

    async def accepted(self, task: str, action: str = "accept", **more: Any) -> Json:
        """A decision that has to count."""
        reply = await self.decide(task, action, **more)
        assert reply.status == 200, reply.body
        return reply.json

    async def intent(self, intent: str, *, key: str | None = None, at: int = 0, wait: int = 0) -> Json:
        """An intent as its caller sees it."""
        reply = await self.call("GET", f"/v1/intents/{intent}?wait={wait}", key=key or self.key(), at=at)
        assert reply.status == 200, reply.body
        return reply.json

    async def outcome(self, intent: str, *, at: int = 0, key: str | None = None) -> Json:
        """What came of an intent."""
        told = await self.intent(intent, wait=20, at=at, key=key)
        assert told["state"] in FINAL, told
        return told

    async def held_again(self, intent: str, task: str) -> str:
        """The next task of an intent that goes on and is held once more."""
        found = ""

        def other() -> bool:
            nonlocal found
            rows = self.query("SELECT task_id, state FROM intents WHERE id = :id", id=intent)
            found = str(rows[0]["task_id"])
            return rows[0]["state"] == "parked" and found != task

        await until(other)
        return found

    def query(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """Rows of the database."""
        with self.one.gateway.database.read() as connection:
            return [dict(row) for row in connection.execute(text(sql), values).mappings()]

    def write(self, sql: str, **values: Any) -> int:
        """What somebody who has the database, and no key, changes in it; how many rows it changed."""
        with self.one.gateway.database.write() as connection:
            return connection.execute(text(sql), values).rowcount

    def asked(self) -> list[Json]:
        """What the provider was asked."""
        return [orjson.loads(one.body) for one in self.provider.requests if one.path.endswith("/chat/completions")]

    def kinds(self, intent: str) -> list[str]:
        """The kinds of the entries of a record, in order."""
        rows = self.query("SELECT kind, body FROM entries WHERE intent_id = :id", id=intent)
        return [row["kind"] for row in sorted(rows, key=lambda row: orjson.loads(bytes(row["body"]))["at_ns"])]

    def facts(self, intent: str, kind: str) -> Json:
        """The facts of the last entry of a kind."""
        rows = self.query("SELECT body FROM entries WHERE intent_id = :id AND kind = :kind", id=intent, kind=kind)
        bodies = sorted((orjson.loads(bytes(row["body"])) for row in rows), key=lambda body: body["at_ns"])
        return dict(bodies[-1]["facts"])

    async def command(self, *words: str) -> Result:
        """A command beside the gateways."""
        config = str(self.folder / "config-0.yaml")
        return await asyncio.to_thread(CliRunner(env=dict(self.env)).invoke, cli, [*words, "--config", config])

    async def verified(self) -> None:
        """The records prove themselves, and rows, tasks and records agree."""
        shown = await self.command("records", "verify", "--tenant", "acme")
        assert shown.exit_code == 0, shown.output
        for row in self.query("SELECT id, state, task_id FROM intents"):
            kinds = self.kinds(row["id"])
            assert kinds.count("closed") == (row["state"] in FINAL), (row, kinds)
            assert kinds.count("opened") == 1
            if row["task_id"] is not None:
                task = self.query("SELECT state FROM tasks WHERE id = :id", id=row["task_id"])[0]["state"]
                ended = {"cancelled": {"cancelled", "decided", "expired"}, "expired": {"expired"}}.get(row["state"], {"decided", "expired", "cancelled"})
                assert task in (ended if row["state"] in FINAL else {"open", "claimed", "decided", "expired"}), (row, task)

    @asynccontextmanager
    async def held_up(self) -> AsyncIterator[None]:
        """Nothing goes on within the block, as there is no room for it; then everything that is ready does, at the first gateway."""
        limits = [each.gateway.services.limits for each in self.gateways]
        places = [each.in_flight for each in limits]
        for each in limits:
            each.in_flight = 0
        yield
        await until(lambda: not any(len(each.gateway.services.background) for each in self.gateways))
        for one, many in zip(limits, places, strict=True):
            one.in_flight = many
        await self.one.gateway.looking.sweeper.sweep()

    def state(self, intent: str) -> str:
        """The state of an intent's row."""
        return str(self.query("SELECT state FROM intents WHERE id = :id", id=intent)[0]["state"])

    async def live(self, files: Mapping[str, str]) -> None:
        """Another policy, in force at all gateways."""
        before = [each.gateway.services.policy.revision for each in self.gateways]
        for name, words in files.items():
            (self.folder / "policies" / name).write_text(words)
        await until(lambda: all(each.gateway.services.policy.revision != old for each, old in zip(self.gateways, before, strict=True)))


async def until(done: Callable[[], object], within_s: float = 8) -> None:
    """Wait until it is."""
    end = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.01)


def settings_text(
    folder: Path,
    base_url: str,
    address: Path | Secret,
    *,
    queues: str,
    waiting: str,
    telemetry: str = "{logs: {level: error}}",
    changes: Mapping[str, str] | None,
) -> str:
    """The config of a gateway in the hall."""
    routes = dict.fromkeys((*TERMS, "plain"), "{target: simulated, retries: {max: 0}}")
    made = config_text(base_url, folder / "policies", routing=Routing(queues=queues, waiting=waiting, routes=routes), telemetry=telemetry)
    made = made.replace("database: gateway.db", f"database: {address if isinstance(address, Path) else 'env:DATABASE_URL'}")
    for old, new in (changes or {}).items():
        assert old in made, old
        made = made.replace(old, new)
    return made


def written(folder: Path, files: Mapping[str, str]) -> None:
    """Write files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, words in files.items():
        (folder / name).write_text(words)


@asynccontextmanager
async def hall(
    folder: Path,
    address: Path | Secret | None = None,
    script: str = "",
    *,
    files: Mapping[str, str] | None = None,
    queues: str = "{default: {}, second: {}}",
    waiting: str = "{sweep_s: 0.1, poll_s: 0.05}",
    telemetry: str = "{logs: {level: error}}",
    changes: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
) -> AsyncIterator[Hall]:
    """Two running gateways over a Postgres, or one over a file. What was in the database stays."""
    written(folder / "policies", files or policies())
    address = address or folder / "gateway.db"
    known = dict(env or ENV) | ({} if isinstance(address, Path) else {"DATABASE_URL": address.text()})
    async with SimulatedProvider(script) as provider, AsyncExitStack() as stack:
        gateways = []
        for number in range(1 if isinstance(address, Path) else 2):
            config = folder / f"config-{number}.yaml"
            config.write_text(settings_text(folder, provider.base_url, address, queues=queues, waiting=waiting, telemetry=telemetry, changes=changes))
            settings = load(config, known)
            gateway = build(settings)
            await stack.enter_async_context(running(gateway))
            gateways.append(LocalGateway(gateway=gateway, settings=settings, provider=provider))
        yield Hall(folder=folder, gateways=tuple(gateways), provider=provider, env=known)
